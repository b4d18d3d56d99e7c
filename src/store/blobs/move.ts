/** Bytes beside the rows, from the folder of one daemon to a database that several share, and back. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { git, gitOutput } from '../../platform/git.ts'
import type { BlobStore } from '../ledger/ledger.ts'
import { keptFiles } from './kept-files.ts'
import { createBare, type Packable, snapshots } from './snapshots.ts'

const FOLDERS = ['bundles', 'packs', 'logs']
const REPOSITORY = /^([0-9a-f]{16}(?:-sha256)?)\.git$/

/** Answers how many there are. */
export async function sendBlobs(stateDir: string, blobs: BlobStore): Promise<number> {
  const files = keptFiles(stateDir, blobs)
  let sent = 0
  for (const file of FOLDERS.flatMap(folder => filesIn(path.join(stateDir, folder)))) {
    await files.keep(file)
    sent += 1
  }
  const saved = snapshots(blobs)
  const results = path.join(stateDir, 'results')
  for (const entry of existsSync(results) ? readdirSync(results) : []) {
    const name = REPOSITORY.exec(entry)?.[1]
    if (name === undefined) continue
    // What is there of an earlier time is not what is here.
    await saved.remove(name)
    await saved.save(name, repositoryAt(path.join(results, entry)))
    sent += 1
  }
  return sent
}

export async function bringBlobs(stateDir: string, blobs: BlobStore): Promise<number> {
  const files = keptFiles(stateDir, blobs)
  const names = await blobs.list('')
  const plain = names.filter(name => FOLDERS.some(folder => name.startsWith(`${folder}/`)))
  for (const name of plain) await files.bring(path.join(stateDir, name))
  const saved = snapshots(blobs)
  const repositories = names.flatMap(name => /^results\/([^/]+)\/manifest$/.exec(name)?.[1] ?? [])
  for (const name of repositories) {
    const dir = path.join(stateDir, 'results', `${name}.git`)
    if (!existsSync(path.join(dir, 'HEAD'))) await createBare(dir, name.endsWith('-sha256') ? 'sha256' : 'sha1')
    await saved.restore(name, repositoryAt(dir))
  }
  return plain.length + repositories.length
}

function repositoryAt(dir: string): Packable {
  const broken = (message: string) => new TdfError('RESULT_BROKEN', message)
  const must: Packable['must'] = async (args, options = {}) => {
    const result = await git(['-c', 'core.fsync=all', '--git-dir', dir, ...args], { cwd: dir, ...options })
    return gitOutput(`${args[0]} in ${dir}`, result, broken)
  }
  return { dir, must }
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) return filesIn(file)
    return entry.isFile() && !entry.name.endsWith('.part') ? [file] : []
  })
}
