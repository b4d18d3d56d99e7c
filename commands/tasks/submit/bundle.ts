/**
 * A repository as one file that the daemon keeps: made in a repository of our own that borrows the user's objects, so that
 * nothing of the user's is written to but objects that a partial clone lacks. It holds only what the daemon does not have.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { bundleHead } from '../../../src/core/source.ts'
import { gitOutput } from '../../../src/platform/git.ts'
import type { RunResult } from '../../../src/platform/run.ts'
import type { OfferAnswer, UploadedBundle } from '../../../src/protocol/uploads.ts'
import { withoutProgress } from '../../../src/text/progress/how-far.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, meetDaemon, say } from '../../cli/cli.ts'
import { type Git, readingGit, userGit } from '../../cli/git.ts'
import type { Activity } from '../../cli/progress/activity.ts'
import type { Beside } from './folder/submodules.ts'
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
  const { commit, name, beside } = content
  const ref = beside.refs.size === 0 ? name : `${name}#${digest([...beside.refs.keys()].sort().join())}`
  const refs = { [name]: commit, ...Object.fromEntries(beside.refs) }
  const offer = { source: top, commit, ref, refs }
  if (cli.stderr.isTTY) await meetDaemon(cli)
  activity.show('waiting for the daemon to say what it has of the repository')
  const request = {
    method: 'POST',
    path: '/bundles',
    json: { ...offer, blobs: beside.large?.blobs },
    timeoutMs: OFFER_MS,
  } as const
  const [{ bundle, have, haveBlobs = [] }, objects] = await Promise.all([
    cli.client().call<OfferAnswer>(request),
    readingGit(cli, top)(['rev-parse', '--git-path', 'objects']),
  ])
  if (bundle) return bundle
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-bundle-'))
  try {
    await beside.large?.write()
    const borrowed = [path.resolve(top, must(objects, 'rev-parse').slice(0, -1)), ...beside.objects]
    const git = borrowing(cli, folder, commit, borrowed)
    const isOnePack = borrowed.length === 1 && borrowed.every(isInOnePack)
    const known = await commitsOf(git, have)
    const refs = new Map([[name, commit], ['HEAD', commit], ...beside.refs])
    const send = (known: readonly string[]) => {
      const end = { ...offer, isThin: known.length > 0 }
      return sendUpload(cli, {
        folder,
        activity,
        end,
        head: bundleHead(refs, known),
        pack: packing(git, { top, refs, known, less: known.length > 0 ? haveBlobs : [], isOnePack }, activity),
      })
    }
    if (known.length === 0) return await send([])
    return await send(known).catch(error => {
      if (!isThinFailure(error)) throw error
      return send([])
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What it builds on went meanwhile, or git finds nothing new in it: the whole is always possible. */
const isThinFailure = (error: unknown) =>
  error instanceof TdfError && (error.code === 'BUNDLE_MISSING' || error.code === 'REPOSITORY_UNREADABLE')

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Git in a bare repository in `folder` that has no ref, and the objects of these folders. */
function borrowing(cli: Cli, folder: string, commit: string, borrowed: readonly string[]): Git {
  const directory = path.join(folder, 'git')
  const info = path.join(directory, 'objects', 'info')
  for (const place of [info, path.join(directory, 'refs')]) mkdirSync(place, { recursive: true })
  // As `git init` makes it (gitrepository-layout(5), git-config(1)), without three processes.
  const format = commit.length === 64 ? '1\n[extensions]\nobjectformat = sha256\n' : '0\n'
  writeFileSync(path.join(directory, 'config'), `[core]\nbare = true\nrepositoryformatversion = ${format}`)
  writeFileSync(path.join(info, 'alternates'), borrowed.map(place => `${inQuotes(place)}\n`).join(''))
  writeFileSync(path.join(directory, 'HEAD'), 'ref: refs/heads/none\n')
  const inFolder = readingGit(cli, folder)
  return (args, env = {}, more = {}) => inFolder(args, { GIT_DIR: directory, ...env }, more)
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

interface Packed {
  /** The repository of its user. */
  top: string
  refs: ReadonlyMap<string, string>
  /** Commits that the daemon has. */
  known: readonly string[]
  /** Other objects that it has. */
  less: readonly string[]
  isOnePack: boolean
}

/** Of all packs together: what is beside the largest is not looked through for deltas. */
const SHARE_MIN = 0.9
/** In one of the 256 folders of loose objects, as git itself guesses how many there are (builtin/gc.c). */
const LOOSE_MAX = 4

/** Whether one pack has nearly all objects of a folder. */
function isInOnePack(objects: string): boolean {
  const namesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])
  const packs = path.join(objects, 'pack')
  const names = namesIn(packs).filter(name => name.endsWith('.pack'))
  const sizes = names.map(name => statSync(path.join(packs, name), { throwIfNoEntry: false })?.size ?? 0)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return total > 0 && Math.max(...sizes) >= total * SHARE_MIN && namesIn(path.join(objects, '17')).length <= LOOSE_MAX
}

/** Writes the objects of a bundle behind its head, as `git bundle create` does. */
function packing(git: Git, { top, refs, known, less, isOnePack }: Packed, activity: Activity): Pack {
  return async (file, signal) => {
    activity.show('packing the repository')
    const onStderr = (text: string) => {
      const said = packingText(text)
      if (said !== null) activity.show(said)
    }
    const input = [...refs.values(), ...[...known, ...less].map(oid => `^${oid}`)].map(line => `${line}\n`).join('')
    const flags = ['--progress', '--revs', '--thin', '--delta-base-offset', '--stdout']
    // git tries no delta of two objects of one pack, but sorts and looks at all of them for it: a twentieth of the whole.
    const window = isOnePack && known.length === 0 ? ['--window=0'] : []
    const args = [...FRUGAL, 'pack-objects', ...flags, ...window]
    const writing = { input, outputFile: file, appends: true, onStderr, signal, ownGroup: true }
    // What is missing or damaged in it, git names one by one.
    must(await git(args, {}, writing), 'pack-objects', `git -C ${quoted(top)} fsck`)
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

/** Throws REPOSITORY_UNREADABLE, with a command that shows more of it where one is named. */
export const must = (result: RunResult, what: string, hint?: string) =>
  gitOutput(
    what,
    { ...result, stderr: withoutProgress(result.stderr) },
    message => new TdfError('REPOSITORY_UNREADABLE', message, hint === undefined ? {} : { hint }),
  )
