/**
 * The repository of a task. A url is passed on; a local one is bundled with its full history, as its user, without
 * writing to it: refs and objects that tdf needs go to a repository of its own that borrows the user's objects.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { hashFile } from '../../../src/platform/files.ts'
import { gitOutput, isRepositoryUrl, isSafeRef } from '../../../src/platform/git.ts'
import type { RunResult } from '../../../src/platform/process.ts'
import type { SubmitBody } from '../../../src/protocol/submit.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, say } from '../../cli/cli.ts'
import { type Git, knownRemoteOf, remoteOf, userGit } from '../../cli/git.ts'
import { type RepositorySetup, setupIn } from './setup.ts'

type Repo = SubmitBody['repo']

export interface Taken {
  repo: Repo
  author: { name: string; email: string } | null
  /** Where its own remote is; null when it has none. */
  remote: string | null
  /** What the `.tdf.toml` of a folder asks for. */
  setup: RepositorySetup | null
}

/** Throws NO_REPOSITORY, REF_UNKNOWN, REF_UNSAFE, REPOSITORY_SHALLOW or REPOSITORY_UNREADABLE. */
export async function takeRepository(
  cli: Cli,
  options: { repo?: string; ref?: string; dirty?: boolean; push?: boolean; pr?: boolean; remote?: string },
): Promise<Taken> {
  const { repo = await defaultRepository(cli), ref } = options
  if (ref !== undefined && /^-|\p{Cc}/u.test(ref)) throw unsafe(ref)
  const local = repo.startsWith('file://') ? repo.slice('file://'.length) : path.resolve(cli.cwd, repo)
  if (!existsSync(local) && isRepositoryUrl(repo)) {
    if (ref !== undefined && !isSafeRef(ref)) throw unsafe(ref)
    const remote = options.remote === undefined ? null : await remoteOf(cli, cli.cwd, options.remote)
    return { repo: { kind: 'git', url: repo, ref: ref ?? null }, author: null, remote, setup: null }
  }
  const git = userGit(cli, local)
  const top = await topOf(git, local, repo)
  // Asked at once: each is a process, and they wait for the disk more than for each other.
  const [{ commit, name }, notes, author, remote] = await Promise.all([
    resolveRef(git, top, ref),
    whatStays(git, options.dirty === true),
    authorOf(git),
    remoteFor(cli, top, options),
  ])
  for (const note of notes) say(cli, note)
  const based = options.dirty === true ? await dirtyCommit(cli, top, commit, author) : commit
  const [bundle, setup] = await Promise.all([uploaded(cli, top, based, name), setupIn(git, top, based)])
  return { repo: { kind: 'bundle', url: top, ref: name, baseCommit: based, ...bundle }, author, remote, setup }
}

const unsafe = (ref: string) => new TdfError('REF_UNSAFE', `"${ref}" cannot be a branch, tag or commit`)

/** Without `--repo` git's own rule holds: GIT_DIR names the repository, else the current folder does. */
async function defaultRepository(cli: Cli): Promise<string> {
  if (!cli.env.GIT_DIR) return cli.cwd
  const here = await userGit(cli, cli.cwd)(['rev-parse', '--absolute-git-dir'])
  const named = path.resolve(cli.cwd, cli.env.GIT_DIR)
  if (here.stdout.trim() === named) return cli.cwd
  return path.basename(named) === '.git' ? path.dirname(named) : named
}

/** Without a word about pushing it is only perhaps wanted, and a remote that cannot be used is no failure. */
function remoteFor(cli: Cli, top: string, { push, pr, remote }: { push?: boolean; pr?: boolean; remote?: string }) {
  return push || pr || remote !== undefined ? remoteOf(cli, top, remote) : knownRemoteOf(cli, top)
}

/** Its work tree, or its git folder when it has none. Throws NO_REPOSITORY or REPOSITORY_SHALLOW. */
async function topOf(git: Git, local: string, given: string): Promise<string> {
  // The last one fails in a bare repository, after the others were answered.
  const questions = ['--is-bare-repository', '--is-shallow-repository', '--absolute-git-dir', '--show-toplevel']
  const found = existsSync(local) ? await git(['rev-parse', ...questions]) : undefined
  const [isBare, isShallow, gitDir, tree] = (found?.stdout ?? '').split('\n')
  const top = isBare === 'true' ? gitDir : found?.exitCode === 0 ? tree : undefined
  if (top && isShallow === 'true') {
    throw new TdfError('REPOSITORY_SHALLOW', `${top} is a shallow clone: its history is not all there`, {
      hint: `git -C ${quoted(top)} fetch --unshallow`,
    })
  }
  if (top) return top
  // Another user's, for one: git names the command that allows it.
  const remedy = /^\s*(git config --global --add safe\.directory .+)$/m.exec(found?.stderr ?? '')?.[1]
  if (remedy !== undefined) {
    throw new TdfError('REPOSITORY_UNREADABLE', `git does not use ${given}, since another user owns it`, {
      hint: remedy,
    })
  }
  const why = existsSync(local) ? (found?.stderr.trim().split('\n')[0] ?? '') : 'there is no such folder'
  throw new TdfError('NO_REPOSITORY', `${given} is not a git repository (${why})`, {
    hint: existsSync(local) ? `git -C ${quoted(local)} init` : 'tdf submit --help',
  })
}

/** Whatever `git rev-parse` takes for a commit, such as `HEAD~2`, `@{upstream}` or `:/words of its message`. */
async function resolveRef(git: Git, top: string, ref: string | undefined): Promise<{ commit: string; name: string }> {
  const wanted = ref ?? 'HEAD'
  const [named, symbolic] = await Promise.all([
    git(['rev-parse', '--verify', '--quiet', '--end-of-options', wanted]),
    git(['rev-parse', '--symbolic-full-name', wanted]),
  ])
  // Peeled by itself: behind `:/words` it would be one of the words.
  const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${named.stdout.trim()}^{commit}`])
  // One commit, not `^main`, which leaves out all that it reaches.
  if (!/^[0-9a-f]+$/.test(named.stdout.trim()) || found.exitCode !== 0) {
    const what = ref === undefined ? `${top} has no commit yet` : `${top} has no branch, tag or commit "${ref}"`
    const hint = ref === undefined ? 'git commit --allow-empty -m "first"' : `git -C ${quoted(top)} branch --all`
    throw new TdfError('REF_UNKNOWN', what, { hint })
  }
  const full = symbolic.stdout.trim()
  return { commit: found.stdout.trim(), name: full.startsWith('refs/heads/') ? full : 'refs/heads/tdf-base' }
}

/** What is not in the bundle is said before it is missed. */
async function whatStays(git: Git, isDirty: boolean): Promise<string[]> {
  const [status, modules, large] = await Promise.all([
    git(['status', '--porcelain', '-z']),
    git(['ls-files', '-z', '--', '.gitmodules']),
    git(['ls-files', '-z', '--', ':(attr:filter=lfs)']),
  ])
  const changed = status.stdout.split('\0').filter(Boolean).length
  const [files, them] =
    changed === 1 ? ['1 uncommitted file stays', 'it'] : [`${changed} uncommitted files stay`, 'them']
  return [
    ...(changed > 0 && !isDirty ? [`note: ${files} behind; --dirty takes ${them} along`] : []),
    ...(modules.stdout === '' ? [] : ['note: submodules stay behind; the workspace has them as empty folders']),
    ...(large.stdout === '' ? [] : ['note: files in Git LFS stay behind; the workspace has their pointers']),
  ]
}

/** The working tree as a commit on top of HEAD, made with an index and an object folder of our own. */
async function dirtyCommit(cli: Cli, top: string, head: string, author: Taken['author']): Promise<string> {
  const git = userGit(cli, top)
  const index = await mkdtemp(path.join(tmpdir(), 'tdf-index-'))
  try {
    const env = { GIT_INDEX_FILE: path.join(index, 'index') }
    must(await git(['read-tree', 'HEAD'], env), 'read-tree HEAD')
    must(await git(['add', '--all', '--', ':/'], env), 'add --all -- :/')
    const tree = await git(['write-tree'], env)
    must(tree, 'write-tree')
    const args = ['commit-tree', tree.stdout.trim(), '-p', head, '-m', 'Uncommitted changes at submit']
    const made = await git(args, { ...env, ...identityEnv(author) })
    must(made, 'commit-tree')
    return made.stdout.trim()
  } finally {
    await rm(index, { recursive: true, force: true })
  }
}

type Uploaded = { sha256: string; bytes: number }

async function uploaded(cli: Cli, top: string, commit: string, name: string): Promise<Uploaded> {
  const client = cli.client()
  const query = `commit=${commit}&ref=${encodeURIComponent(name)}`
  const known = await client.call<Uploaded>({ path: `/bundles?${query}` }).catch(error => {
    if (error instanceof TdfError && error.code === 'NOT_FOUND') return undefined
    throw error
  })
  if (known) return { sha256: known.sha256, bytes: known.bytes }
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-bundle-'))
  try {
    const file = await writeBundle(cli, top, commit, name, folder)
    const sha256 = await hashFile(file)
    await client.raw({ method: 'PUT', path: `/bundles/${sha256}?${query}`, upload: file, timeoutMs: 600_000 })
    return { sha256, bytes: (await stat(file)).size }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeBundle(cli: Cli, top: string, commit: string, name: string, folder: string): Promise<string> {
  const objects = await userGit(cli, top)(['rev-parse', '--git-path', 'objects'])
  const borrowed = path.resolve(top, objects.stdout.trim())
  const git = userGit(cli, folder)
  const file = path.join(folder, 'repository.bundle')
  const env = { GIT_DIR: path.join(folder, 'git') }
  must(await git(['init', '--quiet', '--bare', '--template=', 'git']), 'init')
  await writeFile(path.join(folder, 'git', 'objects', 'info', 'alternates'), `${borrowed}\n`)
  must(await git(['update-ref', name, commit], env), 'update-ref')
  must(await git(['symbolic-ref', 'HEAD', name], env), 'symbolic-ref')
  must(await git(['bundle', 'create', '--quiet', file, name, 'HEAD'], env), 'bundle create')
  return file
}

const must = (result: RunResult, what: string) =>
  gitOutput(what, result, message => new TdfError('REPOSITORY_UNREADABLE', message))

/** git refuses to guess who somebody is; for a commit of ours it need not. */
function identityEnv(author: Taken['author']): Record<string, string> {
  const { name, email } = author ?? { name: 'tdf', email: 'tdf@localhost' }
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  }
}

async function authorOf(git: Git): Promise<Taken['author']> {
  // `key\nvalue\0` for each that is set; the last one of a key counts.
  const { stdout } = await git(['config', '-z', '--get-regexp', '^user\\.(name|email)$'])
  const set = new Map(
    stdout.split('\0').map(entry => [entry.split('\n', 1)[0], entry.slice(entry.indexOf('\n') + 1).trim()]),
  )
  const [name, email] = [set.get('user.name'), set.get('user.email')]
  return name && email ? { name, email } : null
}
