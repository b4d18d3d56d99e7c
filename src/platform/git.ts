/**
 * Git calls that are safe against what they are given: no shell, no configuration but ours, no prompts, no hooks, no
 * helper programs, and only the transports that we mean. Arguments from outside come behind `--end-of-options`.
 */
import process from 'node:process'
import { type RunResult, run } from './process.ts'

export interface GitOptions {
  cwd: string
  /** More variables, such as GIT_INDEX_FILE. */
  env?: Record<string, string>
  input?: string | Uint8Array
  timeoutMs?: number
  outputBytesMax?: number
  outputFile?: string
  encoding?: 'utf8' | 'latin1'
  signal?: AbortSignal
}

const GIT_TIMEOUT_MS = 120_000
/** Of what git says of a failure, in a message. */
const SAID_CHARACTERS_MAX = 2_000

const SAFE_CONFIG = [
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'commit.gpgSign=false',
  'tag.gpgSign=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'protocol.ext.allow=never',
  'advice.detachedHead=false',
  'init.defaultBranch=main',
].flatMap(setting => ['-c', setting])

/** The environment of every git call: enough to find programs and ssh keys, nothing that changes what git does. */
export function gitEnv(more: Record<string, string> = {}): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'SSH_AUTH_SOCK']) {
    const value = process.env[name]
    if (value !== undefined) kept[name] = value
  }
  return {
    ...kept,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '',
    GIT_ALLOW_PROTOCOL: 'https:http:ssh:git:file',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    ...more,
  }
}

/**
 * The environment of a git that talks to a server as the user that runs the daemon: with that user's configuration, and
 * so with its credential helpers, rewritten addresses and ssh command, but without a terminal for questions.
 */
export function ownerGitEnv(more: Record<string, string> = {}): Record<string, string> {
  const { GIT_CONFIG_GLOBAL: _, GIT_CONFIG_NOSYSTEM: __, ...env } = gitEnv()
  for (const name of ['XDG_CONFIG_HOME', 'GIT_SSH_COMMAND', 'SSL_CERT_FILE', 'SSL_CERT_DIR']) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  // ssh(1): asked by this program instead of on the terminal, it gets no answer and fails at once.
  return { ...env, SSH_ASKPASS: 'false', SSH_ASKPASS_REQUIRE: 'force', ...more }
}

/** Runs git; the caller reads the exit code. */
export function git(args: readonly string[], options: GitOptions): Promise<RunResult> {
  return run('git', [...SAFE_CONFIG, ...args], {
    cwd: options.cwd,
    env: gitEnv(options.env),
    timeoutMs: options.timeoutMs ?? GIT_TIMEOUT_MS,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.outputFile === undefined ? {} : { outputFile: options.outputFile }),
    ...(options.outputBytesMax === undefined ? {} : { outputBytesMax: options.outputBytesMax }),
    ...(options.encoding === undefined ? {} : { encoding: options.encoding }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
}

/** What git printed. Throws what `failure` makes of git's last words when the call failed. */
export function gitOutput(
  command: string,
  { exitCode, timedOut, stdout, stderr }: RunResult,
  failure: (message: string) => Error,
): string {
  if (exitCode === 0) return stdout
  const why = timedOut ? 'it took too long' : stderr.trim().slice(-SAID_CHARACTERS_MAX) || `exit code ${exitCode}`
  throw failure(`git ${command} failed: ${why}`)
}

/** A branch name that git takes and that cannot be read as an option, a path trick or a refspec. */
export function isSafeBranch(name: string): boolean {
  return (
    name.length <= 255 &&
    /^(?![-/.])[\p{L}\p{N}._/+@#=,-]+$/u.test(name) &&
    !/\.\.|\/\/|@\{|\.lock(\/|$)|\/\.|[/.]$/.test(name) &&
    name !== '@'
  )
}

/** Anything that names a commit: a branch, tag, full ref or object id. Never an option or a refspec. */
export function isSafeRef(name: string): boolean {
  return isSafeBranch(name) || name === 'HEAD'
}

const URL_PATTERN = /^(https?|ssh|git):\/\/[^\s\p{Cc}]+$/u
const SCP_PATTERN = /^(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][\w.-]*:(?!\/\/|:)[^\s\p{Cc}]+$/u
const FILE_PATTERN = /^file:\/\/\/[^\s\p{Cc}]+$/u

/** A remote repository: https, http, ssh, git, scp-like or file:///; a host never begins with a dash. */
export function isRepositoryUrl(url: string): boolean {
  if (url.length > 4096 || url.startsWith('-')) return false
  if (FILE_PATTERN.test(url)) return true
  if (URL_PATTERN.test(url)) return !/^[a-z]+:\/\/(?:[^/@]*@)?-/i.test(url)
  return SCP_PATTERN.test(url)
}

/** A password in an address would be seen by everybody who may list tasks. */
export function hasPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/@]*:[^/@]*@/i.test(url)
}

/** Addresses where clouds tell any process of a machine what it must not know. */
export function isMetadataUrl(url: string): boolean {
  return /^(?:[a-z]+:\/\/)?(?:[^/@]*@)?(?:169\.254\.\d+\.\d+|\[?fd00:ec2::254\]?|metadata\.google\.internal)/i.test(url)
}
