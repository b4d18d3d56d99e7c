/**
 * A repository as one file that the daemon keeps: made in a repository of our own that borrows the user's objects, so that
 * nothing of the user's is written to but objects that a partial clone lacks. It holds only what the daemon does not have.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { gitOutput } from '../../../src/platform/git.ts'
import type { RunResult } from '../../../src/platform/run.ts'
import type { OfferAnswer, UploadedBundle } from '../../../src/protocol/uploads.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, meetDaemon, say } from '../../cli/cli.ts'
import { type Git, readingGit, userGit } from '../../cli/git.ts'
import type { Activity } from '../../cli/progress/activity.ts'
import type { Beside } from './submodules.ts'
import { type Pack, sendUpload } from './upload.ts'

export interface Content {
  commit: string
  /** What the bundle calls it. */
  name: string
  beside: Beside
}

/** What came with the upload before may still be on its way into the repository that is looked into. */
const OFFER_MS = 600_000

/** What the daemon has of it need not be packed, nor what it has of its history. */
export async function uploaded(cli: Cli, top: string, content: Content, activity: Activity): Promise<UploadedBundle> {
  try {
    return await offered(cli, top, content, activity)
  } finally {
    activity.end()
  }
}

async function offered(cli: Cli, top: string, content: Content, activity: Activity): Promise<UploadedBundle> {
  const { commit, name, beside } = content
  const ref = beside.refs.size === 0 ? name : `${name}#${digest([...beside.refs.keys()].sort().join())}`
  const offer = { source: top, commit, ref, refs: { [name]: commit, ...Object.fromEntries(beside.refs) } }
  if (cli.stderr.isTTY) await meetDaemon(cli)
  activity.show('waiting for the daemon to say what it has of the repository')
  const request = { method: 'POST', path: '/bundles', json: offer, timeoutMs: OFFER_MS } as const
  const { bundle, have } = await cli.client().call<OfferAnswer>(request)
  if (bundle) return bundle
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-bundle-'))
  try {
    const git = await borrowing(cli, top, content, folder)
    const known = await commitsOf(git, have)
    const send = (isThin: boolean) => {
      const names = [name, 'HEAD', ...beside.refs.keys(), ...(isThin ? known.map(oid => `^${oid}`) : [])]
      return sendUpload(cli, { folder, activity, end: { ...offer, isThin }, pack: packing(git, names, activity) })
    }
    if (known.length === 0) return await send(false)
    return await send(true).catch(error => {
      if (!isThinFailure(error)) throw error
      return send(false)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What it builds on went meanwhile, or git finds nothing new in it: the whole is always possible. */
const isThinFailure = (error: unknown) =>
  error instanceof TdfError && (error.code === 'BUNDLE_MISSING' || error.code === 'REPOSITORY_UNREADABLE')

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Git in a bare repository in `folder` that has the refs of the bundle and the objects of the user. */
async function borrowing(cli: Cli, top: string, { commit, name, beside }: Content, folder: string): Promise<Git> {
  const objects = await readingGit(cli, top)(['rev-parse', '--git-path', 'objects'])
  const borrowed = path.resolve(top, objects.stdout.slice(0, -1))
  const inFolder = readingGit(cli, folder)
  const git: Git = (args, env = {}, more = {}) => inFolder(args, { GIT_DIR: path.join(folder, 'git'), ...env }, more)
  const format = `--object-format=${commit.length === 64 ? 'sha256' : 'sha1'}`
  must(await inFolder(['init', '--quiet', '--bare', '--template=', format, 'git']), 'init')
  await writeFile(
    path.join(folder, 'git', 'objects', 'info', 'alternates'),
    [borrowed, ...beside.objects].map(place => `${inQuotes(place)}\n`).join(''),
  )
  const refs = [[name, commit], ...beside.refs]
  const input = refs.map(([ref, oid]) => `update ${ref} ${oid}\n`).join('')
  must(await git(['update-ref', '--stdin'], {}, { input }), 'update-ref')
  must(await git(['symbolic-ref', 'HEAD', name]), 'symbolic-ref')
  return git
}

/** gitrepository-layout(5), objects/info/alternates; a path in quotes as of C may hold any character. */
const inQuotes = (text: string) => `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`

/** Those of the commits that are here with their trees; of the others nothing can be left out. */
async function commitsOf(git: Git, have: readonly string[]): Promise<string[]> {
  if (have.length === 0) return []
  const input = `${have.map(oid => `${oid}^{tree}`).join('\n')}\n`
  const found = await git(['cat-file', '--batch-check=%(objecttype)'], {}, { input })
  const types = found.stdout.split('\n')
  return have.filter((_, at) => types[at] === 'tree')
}

/** Deltas that are there are taken as they are. Packs are read through small windows: git would map them whole. */
const FRUGAL = ['core.packedGitWindowSize=1m', 'core.packedGitLimit=32m', 'pack.windowMemory=32m'].flatMap(setting => [
  '-c',
  setting,
])

/** Writes the bundle into a file, as git makes it. */
function packing(git: Git, names: readonly string[], activity: Activity): Pack {
  return async (file, signal) => {
    activity.show('packing the repository')
    const onStderr = (text: string) => {
      const said = packingText(text)
      if (said !== null) activity.show(said)
    }
    const args = [...FRUGAL, 'bundle', 'create', '--progress', '-', ...names]
    must(await git(args, {}, { outputFile: file, onStderr, signal, ownGroup: true }), 'bundle create')
  }
}

/** What git says last of how far it is (progress.c): `Writing objects:  42% (420/1000), 1.20 MiB | 2.00 MiB/s`. */
export function packingText(said: string): string | null {
  const [, phase = '', count = ''] = /.*(?:^|[\r\n])(\w+) objects: +(\d+%?)/s.exec(said) ?? []
  if (phase === 'Writing') return `packing ${count.replace('%', ' %')}`
  if (phase === 'Enumerating') return `packing: ${count} objects found`
  return phase === '' ? null : `packing: ${count.replace('%', ' %')} of the objects looked at`
}

const ROUNDS_MAX = 10

/**
 * Gets what a partial clone does not have of a commit's history: in one fetch, as git itself would one by one, and into the
 * clone, as git does. Trees that come may show what else is missing. Throws REPOSITORY_PARTIAL.
 */
export async function completed(cli: Cli, top: string, commit: string, remote: string): Promise<void> {
  const git = readingGit(cli, top)
  const list = ['rev-list', '--objects', '--quiet', '--missing=print', commit]
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const missing = must(await git(list), 'rev-list')
      .split('\n')
      .flatMap(line => (line.startsWith('?') ? [line.slice(1)] : []))
    if (missing.length === 0) return
    say(cli, `getting ${missing.length} objects that this partial clone lacks from ${remote}…`)
    const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--recurse-submodules=no']
    // As promisor-remote.c of git asks: what is wanted by name is all that is wanted.
    const args = ['-c', 'fetch.negotiationAlgorithm=noop', 'fetch', remote, ...flags, '--filter=blob:none', '--stdin']
    const fetched = await userGit(cli, top)(args, {}, { input: `${missing.join('\n')}\n` })
    if (fetched.exitCode !== 0) throw partial(top, remote, fetched.stderr.trim().split('\n').at(-1) ?? '')
  }
  throw partial(top, remote, 'there was always more')
}

const partial = (top: string, remote: string, why: string) =>
  new TdfError(
    'REPOSITORY_PARTIAL',
    `${top} is a partial clone, and what it lacks did not come from ${remote}: ${why}`,
    {
      hint: `git -C ${quoted(top)} fetch --refetch --no-filter ${quoted(remote)}`,
    },
  )

export const must = (result: RunResult, what: string) =>
  gitOutput(what, result, message => new TdfError('REPOSITORY_UNREADABLE', message))
