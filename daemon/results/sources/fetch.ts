/**
 * From a url and a ref to a commit in the repository of the source: the server is asked what it has, and only what is not
 * here yet is fetched. Objects are checked as they come in, and the commit is named only when all of it is here.
 */
import { TdfError } from '../../../src/core/errors.ts'
import { kindOfFailure, withoutPasswords } from '../../../src/platform/git.ts'
import { HARMLESS } from '../../../src/platform/objects/bundle.ts'
import type { RunResult } from '../../../src/platform/run.ts'
import { gitProgress, withoutProgress } from '../../../src/text/progress/how-far.ts'
import { BASES } from '../git-results.ts'
import type { Repository } from '../repository.ts'
import { type Access, denied } from './access.ts'

export interface Wanted {
  url: string
  /** A branch, tag, full ref or commit; null: HEAD of the server. */
  ref: string | null
}

export interface Call {
  access: Access
  /** What is left of the time for all of it, in ms. */
  leftMs(): number
  signal: AbortSignal
  /** Told what git does, with percent and bytes where git knows them. */
  onProgress?(text: string): void
}

export interface Fetched {
  commit: string
  /** Under which name a workspace gets it: that of its branch. */
  ref: string
}

/** What a workspace calls a commit that no branch stands for. */
const NO_BRANCH = 'refs/heads/tdf-base'
/** What comes in is called so until it is known to be a commit. */
const TIP = 'refs/tdf-source/tip'
const SAID_CHARACTERS_MAX = 1_000

const CONFIG = [
  // A dead server is told by its silence; one that packs much says a few bytes now and then (uploadpack.keepAlive).
  ...['http.lowSpeedLimit=1', 'http.lowSpeedTime=60', 'fetch.prune=false', 'fetch.fsckObjects=true'],
  ...HARMLESS.map(message => `fetch.fsck.${message}=ignore`),
].flatMap(setting => ['-c', setting])

/** `open` gives the repository for names of so many characters. Throws SOURCE_DENIED, SOURCE_UNAVAILABLE, REF_UNKNOWN or REPOSITORY_UNREADABLE. */
export async function fetchCommit(
  open: (idLength?: number) => Promise<Repository>,
  { url, ref }: Wanted,
  call: Call,
): Promise<Fetched & { repository: Repository; isNew: boolean }> {
  const asked = await ask(await open(), ['ls-remote', '--symref', '--', url, 'HEAD', ...namesOf(ref)], call)
  const there = refsIn(checked(asked, url, call))
  const [anyId = ref ?? ''] = there.ids.values()
  const repository = await open(anyId.length === 64 ? 64 : 40)
  const server = (args: readonly string[]) => ask(repository, args, call)
  const name = ref === null || ref === 'HEAD' ? 'HEAD' : namesOf(ref).find(one => there.ids.has(one))
  const id = name === undefined ? undefined : there.ids.get(name)
  const branch = name === 'HEAD' ? there.head : name
  const called = branch?.startsWith('refs/heads/') ? branch : NO_BRANCH
  const wantedId = id ?? (isWholeId(ref) ? ref : undefined)
  const known = wantedId === undefined ? null : await commitAt(repository, `${BASES}/${wantedId}`)
  if (known !== null) return { repository, commit: known, ref: called, isNew: false }
  const commit = name !== undefined && id !== undefined ? await take(name) : await takeCommit()
  if (commit === null) {
    throw new TdfError('REF_UNKNOWN', `${withoutPasswords(url)} has no ${whatOf(ref)}`, { hint: 'tdf submit --help' })
  }
  await repository.must(['update-ref', `${BASES}/${commit}`, commit])
  return { repository, commit, ref: called, isNew: true }

  /** With the tags on the way to it, as they are now: a tag that is here already would not be fetched again. */
  async function take(name: string): Promise<string | null> {
    await forgetTags(repository)
    checked(await server(['fetch', ...FLAGS, '--', url, `+${name}:${TIP}`]), url, call)
    return commitAt(repository, TIP)
  }

  /** A commit by its id, which a server may refuse to give by itself; a short one is looked for in everything. */
  async function takeCommit(): Promise<string | null> {
    if (ref === null || !/^[0-9a-f]{7,64}$/.test(ref)) return null
    if (isWholeId(ref)) {
      const fetched = await server(['fetch', ...FLAGS, '--', url, `+${ref}:${TIP}`])
      if (fetched.exitCode === 0) return commitAt(repository, TIP)
      if (kindOfFailure(fetched.stderr) !== 'no ref') checked(fetched, url, call)
    }
    await forgetTags(repository)
    const all = ['+refs/heads/*:refs/tdf-source/heads/*', '+refs/tags/*:refs/tags/*']
    checked(await server(['fetch', ...FLAGS, '--prune', '--', url, ...all]), url, call)
    return commitAt(repository, ref)
  }
}

const isWholeId = (ref: string | null): ref is string => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(ref ?? '')

const FLAGS = ['--progress', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']

/** What a ref may stand for, in this order: a full name, a branch, a tag. */
function namesOf(ref: string | null): string[] {
  if (ref === null || ref === 'HEAD') return []
  return ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/${ref}`]
}

const whatOf = (ref: string | null) => (ref === null ? 'commit at its HEAD: name a --ref' : `ref or commit "${ref}"`)

/** git-ls-remote(1): `ref: refs/heads/main\tHEAD` and `ID\tNAME`. */
function refsIn(listed: string): { head: string | undefined; ids: ReadonlyMap<string, string> } {
  const rows = listed.split('\n').map(line => line.split('\t'))
  const head = rows.find(([what = '', name]) => what.startsWith('ref: ') && name === 'HEAD')?.[0]?.slice('ref: '.length)
  const ids = rows.flatMap(([id = '', name = '']) => (/^[0-9a-f]{40,64}$/.test(id) ? [[name, id] as const] : []))
  return { head, ids: new Map(ids) }
}

async function ask(repository: Repository, args: readonly string[], call: Call): Promise<RunResult> {
  const { access, leftMs, signal, onProgress } = call
  const timeoutMs = Math.max(1, Math.ceil(leftMs()))
  const env = { GIT_ALLOW_PROTOCOL: 'https:http:ssh:git', ...access.env }
  const onStderr = (said: string) => {
    const text = gitProgress(said)
    if (text !== null) onProgress?.(text)
  }
  const ran = await repository.may([...CONFIG, ...args], {
    ...{ asOwner: true, ownGroup: true, env, timeoutMs, signal, onStderr },
  })
  return { ...ran, stderr: withoutProgress(ran.stderr) }
}

/** What git printed; each kind of failure has its code. */
function checked({ exitCode, timedOut, stdout, stderr }: RunResult, address: string, { access, signal }: Call): string {
  if (exitCode === 0) return stdout
  signal.throwIfAborted()
  const url = withoutPasswords(address)
  if (timedOut) throw new TdfError('SOURCE_UNAVAILABLE', `${url} did not answer in full within its time`)
  const said = withoutPasswords(stderr).trim().slice(-SAID_CHARACTERS_MAX) || `git ended with ${exitCode}`
  switch (kindOfFailure(stderr)) {
    case 'denied':
      throw denied(url, access, said)
    case 'no ref':
      throw new TdfError('REF_UNKNOWN', `${url}: ${said}`, { hint: 'tdf submit --help' })
    case 'passing':
      throw new TdfError('SOURCE_UNAVAILABLE', `${url} cannot be reached: ${said}`)
    case 'final':
      throw new TdfError('REPOSITORY_UNREADABLE', `${url} cannot be fetched: ${said}`)
  }
}

async function commitAt(repository: Repository, name: string): Promise<string | null> {
  const found = await repository.may(['rev-parse', '--quiet', '--verify', '--end-of-options', `${name}^{commit}`])
  return found.exitCode === 0 ? found.stdout.trim() : null
}

async function forgetTags(repository: Repository): Promise<void> {
  const input = await repository.must(['for-each-ref', '--format=delete %(refname)', 'refs/tags'])
  if (input !== '') await repository.must(['update-ref', '--stdin'], { input })
}
