/**
 * Uploads in the repository of their source. What a bundle holds is named there by refs under its hash, which keep every
 * object that it reaches and the names that it gives them: bundles that come later need bring only what is new, and one whose file is
 * gone can be made again.
 */
import { bundleRefs } from '../../../src/platform/objects/bundle.ts'
import { BASES } from '../git-results.ts'
import type { Repository } from '../repository.ts'

const UPLOADS = 'refs/tdf-upload'
const HAVE_MAX = 200
const TIMEOUT_MS = 600_000
const FETCH = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']

export interface Held {
  sha256: string
  commit: string
  /** By full name. */
  refs: ReadonlyMap<string, string>
}

/** What the bundle of an upload names; empty when the repository does not hold it. */
export async function heldRefs(repository: Repository, sha256: string): Promise<Map<string, string>> {
  const prefix = `${UPLOADS}/${sha256}/`
  const listed = await repository.must(['for-each-ref', '--format=%(objectname) %(refname)', prefix])
  const rows = listed.split('\n').filter(Boolean)
  return new Map(rows.map(row => [`refs/${row.slice(row.indexOf(' ') + 1 + prefix.length)}`, row.split(' ')[0] ?? '']))
}

/** Takes in what a bundle brings. Throws RESULT_BROKEN, also when something that it builds on is not here. */
export async function takeIn(
  repository: Repository,
  file: string,
  sha256: string,
  signal?: AbortSignal,
): Promise<void> {
  const names = [...(await bundleRefs(file)).keys()].filter(name => name.startsWith('refs/'))
  const targets = names.map(name => `+${name}:${nameOf(sha256, name)}`)
  const limits = { timeoutMs: TIMEOUT_MS, ownGroup: true, ...(signal ? { signal } : {}) }
  // Loose objects go to the disk together (git-config(1), core.fsyncMethod).
  const args = ['-c', 'core.fsyncMethod=batch', 'fetch', ...FETCH, '--end-of-options', file, ...targets]
  await repository.must(args, limits)
}

/** Whether all that these reach is here, with certainty. */
export async function isWhole(repository: Repository, oids: Iterable<string>): Promise<boolean> {
  const input = `${[...oids].join('\n')}\n`
  const args = ['rev-list', '--objects', '--quiet', '--stdin', '--not', '--all']
  const walked = await repository.may(args, { input, timeoutMs: TIMEOUT_MS })
  return walked.exitCode === 0
}

/** Names what is here. It was proved to be: see `isWhole`. */
export async function nameHeld(repository: Repository, { sha256, commit, refs }: Held): Promise<void> {
  const named = [...refs].map(([name, oid]) => `update ${nameOf(sha256, name)} ${oid}\n`)
  const input = `${named.join('')}update ${BASES}/${commit} ${commit}\n`
  await repository.alone(() => repository.must(['update-ref', '--stdin'], { input }))
  await repository.save()
}

/** Commits that a bundle can build on, newest first: what uploads, fetches and results brought. None where one is damaged. */
export async function knownCommits(repository: Repository): Promise<string[]> {
  const order = ['--sort=-committerdate', `--count=${HAVE_MAX}`, '--format=%(objecttype) %(objectname)']
  const listed = await repository.may(['for-each-ref', ...order, BASES, UPLOADS, 'refs/tdf'])
  if (listed.exitCode !== 0) return []
  const rows = listed.stdout
    .split('\n')
    .flatMap(row => (row.startsWith('commit ') ? [row.slice('commit '.length)] : []))
  return [...new Set(rows)]
}

/** Those of the objects that are here; none where one is damaged. */
export async function presentOf(repository: Repository, oids: readonly string[]): Promise<string[]> {
  const input = `${oids.join('\n')}\n`
  const checked = await repository.may(['cat-file', '--batch-check=%(objectname)'], { input })
  const here = new Set(checked.exitCode === 0 ? checked.stdout.split('\n') : [])
  return oids.filter(oid => here.has(oid))
}

const nameOf = (sha256: string, name: string) => `${UPLOADS}/${sha256}/${name.slice('refs/'.length)}`
