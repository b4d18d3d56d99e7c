/** Bundles as we write them, and the part of one that a node lacks: the same refs, and the objects that no commit of the node reaches. */
import { createReadStream, createWriteStream } from 'node:fs'
import { rm, stat, writeFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { bundleHead } from '../../../src/core/source.ts'
import { hashFile } from '../../../src/platform/files.ts'
import type { GitOptions } from '../../../src/platform/git.ts'
import { bundleRefs } from '../../../src/platform/objects/bundle.ts'
import { treesOfLarge } from '../../../src/platform/objects/large.ts'
import type { Repository } from '../repository.ts'
import type { ThinBundle } from '../results.ts'

const PACK_TIMEOUT_MS = 600_000
/** Of the whole: a node that gets more than this may as well get all of it. */
const SHARE_MAX = 0.75

/** Null when we know no commit of `have`, when something is not here any more, or when little would be saved. */
export async function writeThin(
  repository: Repository,
  { whole, have }: { whole: string; have: readonly string[] },
  file: string,
  signal?: AbortSignal,
): Promise<ThinBundle | null> {
  const refs = await bundleRefs(whole)
  const input = `${[...refs.values(), ...have].join('\n')}\n`
  const checked = await repository.must(['cat-file', '--batch-check=%(objecttype)'], { input })
  const types = checked.split('\n')
  const isMissing = [...refs].some((_, at) => !/^(?:commit|tag|tree|blob)$/.test(types[at] ?? ''))
  const known = have.filter((_, at) => types[refs.size + at] === 'commit')
  if (isMissing || known.length === 0) return null
  const trees = await treesOfLarge(repository.may, refs.keys(), known)
  await writeBundle(repository, { refs, known, trees }, file, {
    timeoutMs: PACK_TIMEOUT_MS,
    ...(signal ? { signal } : {}),
  })
  const { size: bytes } = await stat(file)
  if (bytes <= (await stat(whole)).size * SHARE_MAX) return { file, sha256: await hashFile(file), bytes }
  await rm(file, { force: true })
  return null
}

export interface Content {
  /** Under which names what is in it; git's own commands take the names that a repository has. */
  refs: ReadonlyMap<string, string>
  /** Commits that whoever gets it has, with all that they reach. */
  known?: readonly string[]
  /** The same of trees by themselves, which the bundle does not name. */
  trees?: readonly string[]
  /** Folders of objects that are looked at beside those of the repository. */
  objects?: readonly string[]
}

/** Writes a bundle. Throws RESULT_BROKEN. */
export async function writeBundle(
  repository: Repository,
  { refs, known = [], trees = [], objects = [] }: Content,
  file: string,
  options: Pick<GitOptions, 'timeoutMs' | 'signal'>,
): Promise<void> {
  const pack = `${file}.pack`
  try {
    const wanted = [...refs.values(), ...[...known, ...trees].map(oid => `^${oid}`)]
    const flags = ['--quiet', '--revs', '--stdout', '--delta-base-offset', ...(known.length > 0 ? ['--thin'] : [])]
    await repository.must(['pack-objects', ...flags], {
      ...options,
      input: `${wanted.join('\n')}\n`,
      outputFile: pack,
      ownGroup: true,
      ...(objects.length > 0 ? { env: { GIT_ALTERNATE_OBJECT_DIRECTORIES: objects.join(':') } } : {}),
    })
    await writeFile(file, bundleHead(refs, known), { mode: 0o600 })
    await pipeline(createReadStream(pack), createWriteStream(file, { flags: 'a' }))
  } finally {
    await rm(pack, { force: true })
  }
}
