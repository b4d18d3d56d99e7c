/** The bundle of a commit that is in the repository of its source, with its history: what workspaces are made from. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { LARGE_REFS, SUBMODULE_REFS } from '../../../src/core/source.ts'
import type { SourceFacts } from '../../../src/core/task.ts'
import { hashFile, publishFile } from '../../../src/platform/files.ts'
import { bundleRefs } from '../../../src/platform/objects/bundle.ts'
import { BUNDLE_BYTES_MAX } from '../../../src/protocol/shapes.ts'
import type { KeptFiles } from '../../../src/store/blobs/kept-files.ts'
import { addBundle, findBundle } from '../../../src/store/tables/bundles.ts'
import type { Engine } from '../../services.ts'
import type { Repository } from '../repository.ts'
import type { Fetched } from './fetch.ts'
import type { Beside } from './submodules.ts'
import { writeBundle } from './thin.ts'

export interface Packed extends Fetched {
  source: string
  /** What it holds, by full name; left out: the commit under its name, with the tags on the way to it. */
  refs?: ReadonlyMap<string, string>
  /** Under which name a bundle of the same is looked for. */
  key?: string
}

/** The bundle that is here already, or a new one. Throws REPOSITORY_UNREADABLE or TOO_LARGE. */
export async function packCommit(
  { store, world, bundleFile }: Pick<Engine, 'store' | 'world' | 'bundleFile'>,
  repository: Repository,
  { source, commit, ref, refs, key = ref }: Packed,
  beside: Beside,
  call: { folder: string; files: KeptFiles; timeoutMs: number; signal: AbortSignal },
): Promise<SourceFacts> {
  const known = findBundle(store.sql, commit, key)
  // What was given by its refs has a key of its own.
  if (known) await call.files.bring(bundleFile(known.sha256))
  const isHere = known !== undefined && (await isSame(bundleFile(known.sha256), refs ? null : beside))
  const bundle = isHere ? known : { commit, ref: key, source, ...(await write()) }
  // Also of one that is here: it is used now, and is kept for it.
  await store.commit(() => addBundle(store.sql, bundle, world.clock.now()))
  return { commit, ref, sha256: bundle.sha256, bytes: bundle.bytes }

  async function write(): Promise<{ sha256: string; bytes: number }> {
    await mkdir(call.folder, { recursive: true, mode: 0o700 })
    const scratch = await mkdtemp(path.join(call.folder, 'source-'))
    try {
      const file = path.join(scratch, 'source.bundle')
      const named = refs ?? (await refsOf(repository, { commit, ref }, beside))
      const all = new Map([['HEAD', commit], ...named])
      const { timeoutMs, signal } = call
      await writeBundle(repository, { refs: all, objects: beside.objects }, file, { timeoutMs, signal }).catch(
        unreadable,
      )
      const { size: bytes } = await stat(file)
      if (bytes > BUNDLE_BYTES_MAX) {
        const message = `the repository has ${bytes} bytes, and a bundle may have ${BUNDLE_BYTES_MAX}: set fetch = "node" in [repositories]`
        throw new TdfError('TOO_LARGE', message)
      }
      const sha256 = await hashFile(file)
      const target = bundleFile(sha256)
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
      await publishFile(file, target)
      await call.files.keep(target)
      return { sha256, bytes }
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
}

/** Whether it is there, with these submodules and files in Git LFS, and no other. */
async function isSame(file: string, beside: Beside | null): Promise<boolean> {
  if (!existsSync(file)) return false
  if (beside === null) return true
  const { refs } = beside
  const held = [...(await bundleRefs(file))].filter(([name]) => BESIDE.some(prefix => name.startsWith(prefix)))
  return held.length === refs.size && held.every(([name]) => refs.has(name))
}

const BESIDE = [SUBMODULE_REFS, LARGE_REFS]

function unreadable(thrown: unknown): never {
  throw new TdfError('REPOSITORY_UNREADABLE', asTdfError(thrown).message)
}

/** The branch, the tags on its history, and what is beside it. */
async function refsOf(repository: Repository, { commit, ref }: Fetched, beside: Beside): Promise<Map<string, string>> {
  const format = '--format=%(refname) %(objectname)'
  const tags = await repository.must(['for-each-ref', `--merged=${commit}`, format, 'refs/tags'])
  const named = tags.split('\n').flatMap(line => (line === '' ? [] : [line.split(' ') as [string, string]]))
  return new Map([[ref, commit], ...named, ...beside.refs])
}
