/** The bundle of a commit that is in the repository of its source, with its history: what workspaces are made from. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import type { SourceFacts } from '../../../src/core/task.ts'
import { hashFile, publishFile } from '../../../src/platform/files.ts'
import { type GitOptions, git, gitOutput } from '../../../src/platform/git.ts'
import { BUNDLE_BYTES_MAX } from '../../../src/protocol/shapes.ts'
import { addBundle, findBundle } from '../../../src/store/tables/bundles.ts'
import type { Engine } from '../../services.ts'
import type { Repository } from '../repository.ts'
import type { Fetched } from './fetch.ts'

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
  call: { folder: string; timeoutMs: number; signal: AbortSignal },
): Promise<SourceFacts> {
  const known = findBundle(store.sql, commit, key)
  const isHere = known !== undefined && existsSync(bundleFile(known.sha256))
  const bundle = isHere ? known : { commit, ref: key, source, ...(await write()) }
  // Also of one that is here: it is used now, and is kept for it.
  await store.commit(() => addBundle(store.sql, bundle, world.clock.now()))
  return { commit, ref, sha256: bundle.sha256, bytes: bundle.bytes }

  async function write(): Promise<{ sha256: string; bytes: number }> {
    await mkdir(call.folder, { recursive: true, mode: 0o700 })
    const scratch = await mkdtemp(path.join(call.folder, 'source-'))
    try {
      const file = await writeBundle(repository, { commit, ref, refs, scratch }, call)
      const { size: bytes } = await stat(file)
      if (bytes > BUNDLE_BYTES_MAX) {
        const message = `the repository has ${bytes} bytes, and a bundle may have ${BUNDLE_BYTES_MAX}: set fetch = "node" in [repositories]`
        throw new TdfError('TOO_LARGE', message)
      }
      const sha256 = await hashFile(file)
      const target = bundleFile(sha256)
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
      await publishFile(file, target)
      return { sha256, bytes }
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
}

/** In a repository of its own that borrows the objects: there the names are those that a workspace knows. */
async function writeBundle(
  repository: Repository,
  {
    commit,
    ref,
    refs,
    scratch,
  }: Pick<Packed, 'commit' | 'ref'> & { refs: Packed['refs'] | undefined; scratch: string },
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<string> {
  const dir = path.join(scratch, 'git')
  const file = path.join(scratch, 'source.bundle')
  const run = async (args: readonly string[], options: Partial<GitOptions> = {}) =>
    gitOutput(`${args[0]}`, await git(args, { cwd: scratch, timeoutMs, signal, ...options }), unreadable)
  const format = '--format=create %(refname) %(objectname)'
  const names = refs
    ? [...refs].map(([name, oid]) => `create ${name} ${oid}\n`).join('')
    : `create ${ref} ${commit}\n${await repository.must(['for-each-ref', `--merged=${commit}`, format, 'refs/tags'])}`
  const env = { GIT_DIR: dir }
  const objects = commit.length === 64 ? 'sha256' : 'sha1'
  await run(['init', '--quiet', '--bare', '--template=', `--object-format=${objects}`, dir])
  await mkdir(path.join(dir, 'objects', 'info'), { recursive: true })
  await writeFile(path.join(dir, 'objects', 'info', 'alternates'), `${path.join(repository.dir, 'objects')}\n`)
  await run(['update-ref', '--stdin'], { env, input: names })
  await run(['symbolic-ref', 'HEAD', ref], { env })
  await run(['bundle', 'create', '--quiet', file, '--all'], { env, ownGroup: true })
  return file
}

const unreadable = (message: string) => new TdfError('REPOSITORY_UNREADABLE', message)
