/**
 * The repository of a task. A url is passed on; a local one is bundled with its full history, as its user, without
 * writing to it: refs and objects that tdf needs go to a repository of its own that borrows the user's objects.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { REPOSITORY_FILE } from '../../../src/core/source.ts'
import { isRepositoryUrl, isSafeRef } from '../../../src/platform/git.ts'
import type { SubmitBody } from '../../../src/protocol/submit.ts'
import { quoted } from '../../cli/arguments.ts'
import { withOptions } from '../../cli/ask.ts'
import { type Cli, type Format, say } from '../../cli/cli.ts'
import { branchName, clashingBranch, flatName, type Git, knownRemoteOf, readingGit, remoteOf } from '../../cli/git.ts'
import { type Activity, activityOf } from '../../cli/progress/activity.ts'
import { completed, uploaded } from './bundle.ts'
import { dirtyCommit } from './folder/dirty.ts'
import { type LargeFiles, largeFilesOf } from './folder/large.ts'
import { notUsed } from './folder/refused.ts'
import { type Beside, submodulesOf } from './folder/submodules.ts'
import { policyOf, type RepositorySetup, setupIn } from './setup.ts'

/** Of a path or url; that of another task's work needs no look. */
type Repo = Exclude<SubmitBody['repo'], { kind: 'result' }>

export interface Taken<R = SubmitBody['repo']> {
  repo: R
  author: { name: string; email: string } | null
  /** Where its own remote is; null when it has none. */
  remote: string | null
  /** What the `.tdf.toml` of a folder asks for. */
  setup: RepositorySetup | null
}

export interface RepositoryOptions {
  repo?: string
  ref?: string
  dirty?: boolean
  push?: boolean
  pr?: boolean
  remote?: string
  outputBranch?: string
}

/** Throws NO_REPOSITORY, REF_UNKNOWN, REF_UNSAFE, REPOSITORY_SHALLOW, REPOSITORY_PARTIAL or REPOSITORY_UNREADABLE. */
export async function takeRepository(cli: Cli, options: RepositoryOptions, format: Format): Promise<Taken<Repo>> {
  const { repo = await defaultRepository(cli), ref } = options
  if (ref !== undefined && /^-|\p{Cc}/u.test(ref)) throw unsafe(ref)
  const local = repo.startsWith('file://') ? repo.slice('file://'.length) : path.resolve(cli.cwd, repo)
  if (!existsSync(local) && isRepositoryUrl(repo)) {
    if (ref !== undefined && !isSafeRef(ref)) throw unsafe(ref)
    const remote = options.remote === undefined ? null : await remoteOf(cli, cli.cwd, options.remote)
    return { repo: { kind: 'git', url: repo, ref: ref ?? null }, author: null, remote, setup: null }
  }
  const git = readingGit(cli, local)
  const reading = begun(cli, format, 'reading the repository')
  // Asked at once: each is a process, and they wait for the disk more than for each other.
  const found = topOf(git, local, repo)
  const [top, { commit, name, given }, { hasLarge, hasSubmodules }, { author, promisor }, remote] = await Promise.all([
    found,
    resolveRef(git, found, ref),
    oddFiles(git),
    settingsOf(git),
    found.then(top => remoteFor(cli, top, options)),
    refuseClash(cli, git, options.outputBranch),
  ]).finally(reading.end)
  const based = options.dirty === true ? await changed() : commit
  if (promisor !== null) await completed(cli, top, based, promisor)
  const modules = hasSubmodules ? await submodulesFor(cli, top, based) : NOTHING
  const large = hasLarge || ref !== undefined ? await largeFilesOf(cli, top, based) : null
  const beside = withLarge(modules, large)
  const sending = activityOf(cli, format)
  const uploading = uploaded(cli, top, { commit: based, name, beside }, sending)
  const asking = setupIn(git, top, based, ref === undefined && options.dirty !== true ? top : null)
  // It may look at a hundred thousand files, and nothing but a note depends on it: the upload does not wait for it.
  const noted = options.dirty === true ? null : changesLeft(git).then(note => note !== null && sending.say(note))
  const [bundle, setup] = await Promise.all([uploading, asking]).finally(async () => {
    sending.show('looking for uncommitted files')
    await noted
    sending.end()
    await large?.remove()
  })
  const source = { kind: 'bundle' as const, url: top, ref: name, given, baseCommit: based, ...bundle }
  return { repo: source, author, remote, setup }

  function changed(): Promise<string> {
    const { end } = begun(cli, format, 'reading the changed files')
    return dirtyCommit(cli, top, commit, author).finally(end)
  }
}

function begun(cli: Cli, format: Format, text: string): Activity {
  const activity = activityOf(cli, format)
  activity.show(text)
  return activity
}

function withLarge({ refs, objects }: Beside, large: LargeFiles | null): Beside {
  if (large === null) return { refs, objects }
  return {
    refs: new Map([...refs, [large.ref, large.commit]]),
    objects: new Set([...objects, large.objects]),
    large,
  }
}

const NOTHING: Beside = { refs: new Map(), objects: new Set() }

/** As the daemon's configuration says. */
async function submodulesFor(cli: Cli, top: string, commit: string): Promise<Beside> {
  if ((await policyOf(cli)).submodules === 'checkout') return submodulesOf(cli, top, commit)
  say(cli, 'note: submodules stay behind; the workspace has them as empty folders ([repositories] submodules)')
  return NOTHING
}

/** A branch `topic` and one `topic/a` cannot both be; the agent's work is better not done for a name that nobody can take. */
async function refuseClash(cli: Cli, git: Git, wanted: string | undefined): Promise<void> {
  if (wanted === undefined) return
  const branch = branchName(wanted)
  const other = await clashingBranch(git, branch)
  if (other === null) return
  throw new TdfError('REF_UNSAFE', `the branch "${branch}" cannot be made where there is a branch "${other}"`, {
    hint: withOptions(cli, ['--output-branch', flatName(branch)]),
  })
}

const unsafe = (ref: string) => new TdfError('REF_UNSAFE', `"${ref}" cannot be a branch, tag or commit`)

/** Without `--repo` git's own rule holds: GIT_DIR names the repository, else the current folder does. */
async function defaultRepository(cli: Cli): Promise<string> {
  if (!cli.env.GIT_DIR) return cli.cwd
  const here = await readingGit(cli, cli.cwd)(['rev-parse', '--absolute-git-dir'])
  const named = path.resolve(cli.cwd, cli.env.GIT_DIR)
  if (here.stdout.trim() === named) return cli.cwd
  return path.basename(named) === '.git' ? path.dirname(named) : named
}

/** Without a word about pushing it is only perhaps wanted, and a remote that cannot be used is no failure. */
function remoteFor(cli: Cli, top: string, { push, pr, remote }: { push?: boolean; pr?: boolean; remote?: string }) {
  return push || pr || remote !== undefined ? remoteOf(cli, top, remote) : knownRemoteOf(cli, top)
}

/** Its work tree, or its git folder when it has none. Throws NO_REPOSITORY, REPOSITORY_UNREADABLE or REPOSITORY_SHALLOW. */
async function topOf(git: Git, local: string, given: string): Promise<string> {
  const isThere = existsSync(local)
  // A path may hold the end of a line: it stands last. Of a bare repository, which has no work tree, git tells the rest alone.
  const ask = ['rev-parse', '--is-bare-repository', '--is-shallow-repository']
  const found = isThere ? await git([...ask, '--show-toplevel']) : undefined
  const [, isBare, isShallow, tree] = /^(\w+)\n(\w+)\n(?:(.*)\n)?$/s.exec(found?.stdout ?? '') ?? []
  const folder = isBare === 'true' ? await git(['rev-parse', '--absolute-git-dir']) : undefined
  const top = folder?.exitCode === 0 ? folder.stdout.slice(0, -1) : found?.exitCode === 0 ? tree : undefined
  if (top && isShallow === 'true') {
    throw new TdfError('REPOSITORY_SHALLOW', `${top} is a shallow clone: its history is not all there`, {
      hint: `git -C ${quoted(top)} fetch --unshallow`,
    })
  }
  if (top) return top
  throw notUsed({ given, local, isThere, said: found?.stderr ?? '' })
}

interface Resolved {
  commit: string
  /** The branch that it is, or one of our own; what the bundle calls it. */
  name: string
  /** What its user calls it. */
  given: string
}

/** Whatever `git rev-parse` takes for a commit, such as `HEAD~2`, `@{upstream}` or `:/words of its message`. */
async function resolveRef(git: Git, repository: Promise<string>, ref: string | undefined): Promise<Resolved> {
  const wanted = ref ?? 'HEAD'
  const [named, symbolic] = await Promise.all([
    git(['rev-parse', '--verify', '--quiet', '--end-of-options', wanted]),
    git(['rev-parse', '--symbolic-full-name', wanted]),
  ])
  const full = symbolic.stdout.trim()
  // Peeled by itself: behind `:/words` it would be one of the words. A branch names a commit.
  const isCommit = full.startsWith('refs/heads/')
  const peel = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${named.stdout.trim()}^{commit}`]
  const found = isCommit ? named : await git(peel)
  // One commit, not `^main`, which leaves out all that it reaches.
  if (!/^[0-9a-f]+$/.test(named.stdout.trim()) || found.exitCode !== 0) {
    // Where there is no repository, that is the error.
    const top = await repository
    const what = ref === undefined ? `${top} has no commit yet` : `${top} has no branch, tag or commit "${ref}"`
    const hint = `git -C ${quoted(top)} ${ref === undefined ? 'commit --allow-empty -m "first"' : 'branch --all'}`
    throw new TdfError('REF_UNKNOWN', what, { hint })
  }
  const name = full.startsWith('refs/heads/') ? full : 'refs/heads/tdf-base'
  const given = ref ?? (full.startsWith('refs/heads/') ? full : wanted)
  return { commit: found.stdout.trim(), name, given }
}

const MODULES = '.gitmodules'

/** What is not in the bundle is said before it is missed: a note, or null. What a new `.tdf.toml` says counts all the same. */
async function changesLeft(git: Git): Promise<string | null> {
  const { stdout } = await git(['status', '--porcelain', '-z'])
  const changed = stdout.split('\0').filter(line => line !== '' && line !== `?? ${REPOSITORY_FILE}`).length
  if (changed === 0) return null
  const [files, them] =
    changed === 1 ? ['1 uncommitted file stays', 'it'] : [`${changed} uncommitted files stay`, 'them']
  return `note: ${files} behind; --dirty takes ${them} along`
}

/** Of those that git tracks: files in Git LFS, and submodules. */
async function oddFiles(git: Git): Promise<{ hasLarge: boolean; hasSubmodules: boolean }> {
  const { stdout } = await git(['ls-files', '-z', '--full-name', '--', `:(top)${MODULES}`, ':(top,attr:filter=lfs)'])
  const paths = stdout.split('\0').filter(Boolean)
  return { hasLarge: paths.some(path => path !== MODULES), hasSubmodules: paths.includes(MODULES) }
}

interface Settings {
  author: Taken['author']
  /** The remote that a partial clone gets its missing objects from. */
  promisor: string | null
}

async function settingsOf(git: Git): Promise<Settings> {
  // `key\nvalue\0` for each that is set; the last one of a key counts.
  const { stdout } = await git(['config', '-z', '--get-regexp', '^(user\\.(name|email)|remote\\..*\\.promisor)$'])
  const set = new Map(
    stdout.split('\0').map(entry => [entry.split('\n', 1)[0], entry.slice(entry.indexOf('\n') + 1).trim()]),
  )
  const [name, email] = [set.get('user.name'), set.get('user.email')]
  const promisors = [...set].filter(([, value]) => value === 'true').map(([key]) => key)
  const promisor = promisors.find(key => key?.endsWith('.promisor'))?.slice('remote.'.length, -'.promisor'.length)
  return { author: name && email ? { name, email } : null, promisor: promisor ?? null }
}
