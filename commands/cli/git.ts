/** Git as its user runs it: their repository and settings, never a question; and where their remotes are. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { TdfError } from '../../src/core/errors.ts'
import { hasPassword, isRepositoryUrl } from '../../src/platform/git.ts'
import type { RunGit } from '../../src/platform/objects/pointers.ts'
import { type RunOptions, type RunResult, run } from '../../src/platform/run.ts'
import type { Cli } from './cli.ts'

export type Git = (
  args: readonly string[],
  env?: Record<string, string>,
  more?: Partial<
    Pick<
      RunOptions,
      'input' | 'timeoutMs' | 'outputFile' | 'onStderr' | 'signal' | 'ownGroup' | 'encoding' | 'outputBytesMax'
    >
  >,
) => Promise<RunResult>

const TIMEOUT_MS = 600_000

export function userGit(cli: Cli, cwd: string): Git {
  const inherited = plainEnv(cli)
  return (args, env = {}, more = {}) =>
    run('git', args, {
      cwd,
      env: { ...inherited, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C.UTF-8', ...env },
      timeoutMs: TIMEOUT_MS,
      ...more,
    })
}

/** Git for what is shared with daemon and nodes. */
export const runner =
  (git: Git, env: Record<string, string> = {}): RunGit =>
  (args, { env: more = {}, ...options } = {}) =>
    git(args, { ...env, ...more }, options)

/** Where the repository of `folder` has what git-lfs keeps (git-lfs-config(5), lfs.storage). */
export async function largeStore(git: Git, folder: string): Promise<string> {
  const [common, named] = await Promise.all([
    git(['rev-parse', '--git-common-dir']),
    git(['config', '--get', '--path', 'lfs.storage']),
  ])
  const shared = path.resolve(folder, common.stdout.trimEnd())
  return path.join(path.resolve(shared, named.stdout.trimEnd() || 'lfs'), 'objects')
}

/**
 * The same for a repository that is only read: none of its hooks runs, not those of a `core.hooksPath` for all repositories
 * either, and no index is refreshed. Repositories of our own are made with it too.
 */
export function readingGit(cli: Cli, cwd: string): Git {
  const git = userGit(cli, cwd)
  return (args, env = {}, more = {}) =>
    git(['-c', 'core.hooksPath=/dev/null', ...args], { GIT_OPTIONAL_LOCKS: '0', ...env }, more)
}

/**
 * The branch of `repository` that keeps `branch` from being made, since one name would be the folder of the other; null
 * when there is none.
 */
export async function clashingBranch(git: Git, branch: string): Promise<string | null> {
  const parts = branch.split('/')
  const folders = parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'))
  const patterns = [branch, ...folders].map(name => `refs/heads/${name}`)
  const { stdout } = await git(['for-each-ref', '--format=%(refname:lstrip=2)', ...patterns])
  const clashes = (other: string) => folders.includes(other) || other.startsWith(`${branch}/`)
  return stdout.split('\n').find(other => other !== '' && clashes(other)) ?? null
}

/** A name beside any other: one without folders. */
export const flatName = (branch: string) => branch.replaceAll('/', '-')

/** Without the folder that all branches are in, for those who give the full name of a ref. */
export const branchName = (ref: string) => ref.replace(/^refs\/heads\//, '')

/**
 * What `git rev-parse --local-env-vars` lists: variables that name one repository, as a hook has them. They would win over
 * the folder that is meant. Settings (GIT_CONFIG_PARAMETERS, GIT_CONFIG_COUNT) are the user's, as git sees it for submodules.
 */
const REPOSITORY_VARIABLES = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_CONFIG',
  'GIT_DIR',
  'GIT_GRAFT_FILE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
]

/** The user's environment for a program that works in a folder of its own. */
export function plainEnv(cli: Cli): Record<string, string> {
  const entries = Object.entries(cli.env).flatMap(([key, value]): [string, string][] =>
    value === undefined || REPOSITORY_VARIABLES.includes(key) ? [] : [[key, value]],
  )
  return Object.fromEntries(entries)
}

const DEFAULT = 'origin'

/**
 * An address that the daemon can use. Null when no remote was named and `repository` has none.
 * Throws PUSH_NOWHERE for a name that is not known.
 */
export async function remoteOf(cli: Cli, repository: string, wanted: string | undefined): Promise<string | null> {
  if (wanted !== undefined && isAddress(cli, wanted)) return asUrl(wanted, cli.cwd)
  const name = wanted ?? DEFAULT
  const git = userGit(cli, repository)
  const found = existsSync(repository) ? await git(['remote', 'get-url', '--push', '--', name]) : undefined
  const url = found?.exitCode === 0 ? found.stdout.trim() : ''
  if (url !== '') return asUrl(url, repository)
  if (wanted === undefined) return null
  throw new TdfError('PUSH_NOWHERE', `${repository} has no remote "${wanted}", and it is not a valid address`, {
    hint: 'git remote --verbose',
  })
}

/** The same, and null instead of an address that is better not stored; for a push that is only perhaps wanted. */
export async function knownRemoteOf(cli: Cli, repository: string): Promise<string | null> {
  const url = await remoteOf(cli, repository, undefined)
  return url !== null && hasPassword(url) ? null : url
}

const isAddress = (cli: Cli, text: string) =>
  isRepositoryUrl(text) || (text.includes('/') && existsSync(path.resolve(cli.cwd, text)))

/** A folder of this machine as a URL, since the daemon has another working folder. */
function asUrl(text: string, from: string): string {
  return isRepositoryUrl(text) ? text : pathToFileURL(path.resolve(from, text)).href
}
