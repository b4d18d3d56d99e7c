/**
 * Files of the state folder that outlive this machine: bundles, logs and packed results. With the embedded store they are
 * what they are, files; where the state lives elsewhere they go there before they count as saved, and are brought here when
 * they are needed.
 */
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { publishFile, streamInto } from '../../platform/files.ts'
import type { BlobStore } from '../ledger/ledger.ts'

export interface KeptFiles {
  /** A file that is written: durable wherever the state is when it resolves. */
  keep(file: string): Promise<void>
  /** Brings it here when it is not here, or may be older here than there; does nothing when there is none. */
  bring(file: string): Promise<void>
  /** Removes the file, or the folder with all that is in it, here and there. */
  remove(fileOrFolder: string): Promise<void>
  /** Removes what is there of a folder for which `isStale` says so; what is here is removed by its own rules. */
  prune(folder: string, isStale: (name: string) => boolean): Promise<void>
}

/** Their names are their hashes: one that is here is the same as there. */
const BY_CONTENT = /^bundles\//

export function keptFiles(stateDir: string, blobs: BlobStore | null): KeptFiles {
  if (!blobs) return localFiles
  const nameOf = (file: string) => path.relative(stateDir, file).split(path.sep).join('/')
  /** What this daemon wrote or brought: nothing newer is there. */
  const current = new Set<string>()
  const underWay = new Map<string, Promise<void>>()

  async function fetch(name: string, file: string): Promise<void> {
    const parts = await blobs?.get(name)
    if (!parts) return
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
    const part = `${file}.part`
    try {
      await pipeline(Readable.from(parts), await streamInto(part))
      await publishFile(part, file)
    } finally {
      await rm(part, { force: true })
    }
  }

  return {
    async keep(file) {
      const name = nameOf(file)
      await blobs.put(name, createReadStream(file) as AsyncIterable<Buffer>)
      current.add(name)
    },
    async bring(file) {
      const name = nameOf(file)
      if (existsSync(file) && (current.has(name) || BY_CONTENT.test(name))) return
      if (!existsSync(file)) current.delete(name)
      const mine = underWay.get(name) ?? fetch(name, file).finally(() => underWay.delete(name))
      underWay.set(name, mine)
      await mine
      current.add(name)
    },
    async remove(fileOrFolder) {
      const name = nameOf(fileOrFolder)
      await rm(fileOrFolder, { recursive: true, force: true })
      const below = await blobs.list(`${name}/`)
      await blobs.remove([name, ...below])
      for (const one of [name, ...below]) current.delete(one)
    },
    async prune(folder, isStale) {
      const prefix = `${nameOf(folder)}/`
      const stale = (await blobs.list(prefix)).filter(name => isStale(name.slice(prefix.length)))
      if (stale.length > 0) await blobs.remove(stale)
    },
  }
}

const localFiles: KeptFiles = {
  async keep() {},
  async bring() {},
  remove: fileOrFolder => rm(fileOrFolder, { recursive: true, force: true }),
  async prune() {},
}
