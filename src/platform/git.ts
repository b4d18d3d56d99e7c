/**
 * Git calls that are safe against what they are given: no shell, no configuration but ours, no prompts, no hooks, no
 * helper programs, and only the transports that we mean. Arguments from outside come behind `--end-of-options`.
 */
import { BlockList, isIP } from 'node:net'
import process from 'node:process'
import { NETWORK_VARIABLES, pickVariables, type RunOptions, type RunResult, run } from './run.ts'

/** More variables in `env`, such as GIT_INDEX_FILE. `ownGroup` is for calls whose helper programs wait for a server. */
export interface GitOptions extends Partial<RunOptions> {
  cwd: string
  /** In the environment of `ownerGitEnv`: for calls to a server. */
  asOwner?: boolean
}

const GIT_TIMEOUT_MS = 120_000
/** Of what git says of a failure, in a message. */
const SAID_CHARACTERS_MAX = 2_000

/**
 * Bounds of memory for objects that an agent made: a few megabytes of them may stand for many gigabytes. In the form of a
 * configuration too, since a fetch from a repository of ours clears `-c` for the program that packs there.
 */
const MEMORY_BOUNDS = [
  ['pack', 'threads', '1'],
  ['pack', 'windowMemory', '64m'],
  ['pack', 'deltaCacheSize', '32m'],
  ['core', 'bigFileThreshold', '16m'],
  ['core', 'deltaBaseCacheLimit', '32m'],
] as const

export const BOUNDED_CONFIG = MEMORY_BOUNDS.map(([section, key, value]) => `[${section}]\n\t${key} = ${value}\n`).join(
  '',
)

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
  ...MEMORY_BOUNDS.map(([section, key, value]) => `${section}.${key}=${value}`),
].flatMap(setting => ['-c', setting])

/** The environment of every git call: enough to find programs, ssh keys and the way out, nothing that changes what git does. */
export function gitEnv(more: Record<string, string> = {}): Record<string, string> {
  return {
    ...pickVariables(process.env, ['PATH', 'HOME', 'TMPDIR', 'SSH_AUTH_SOCK', ...NETWORK_VARIABLES]),
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
  const own = pickVariables(process.env, ['XDG_CONFIG_HOME', 'GIT_SSH_COMMAND'])
  // ssh(1): asked by this program instead of on the terminal, it gets no answer and fails at once.
  return { ...env, ...own, SSH_ASKPASS: 'false', SSH_ASKPASS_REQUIRE: 'force', ...more }
}

/** Runs git; the caller reads the exit code. */
export function git(args: readonly string[], { asOwner, ...options }: GitOptions): Promise<RunResult> {
  const env = asOwner ? ownerGitEnv(options.env) : gitEnv(options.env)
  return run('git', [...SAFE_CONFIG, ...args], { timeoutMs: GIT_TIMEOUT_MS, ...options, env })
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

/** HEAD, or a full name by the rules of git-check-ref-format(1). */
export function isFullRef(name: string): boolean {
  if (name === 'HEAD') return true
  const isBad = /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/u.test(name)
  return name.startsWith('refs/') && name.length <= 1024 && !isBad
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

/** The text without what addresses in it prove themselves with; over http the name of a user may be a token, too. */
export function withoutPasswords(text: string): string {
  return text.replace(/(https?:\/\/)[^\s/'"]*@/gi, '$1').replace(/(\w:\/\/[^\s/:@'"]*):[^\s/'"]*@/g, '$1@')
}

/** Names of metadata services: Google's and Amazon's. */
const METADATA_NAMES = /^(?:metadata|metadata\.google\.internal|metadata\.goog|instance-data(?:\.ec2\.internal)?)\.?$/

const METADATA = new BlockList()
// Amazon, Google, Azure, Hetzner and others; link-local as a whole (RFC 3927, RFC 4291), since nothing else is there.
METADATA.addSubnet('169.254.0.0', 16, 'ipv4')
METADATA.addSubnet('fe80::', 10, 'ipv6')
METADATA.addAddress('fd00:ec2::254', 'ipv6')
METADATA.addAddress('fd20:ce::254', 'ipv6')
// Alibaba, Oracle, Azure's own.
for (const address of ['100.100.100.200', '192.0.0.192', '168.63.129.16']) METADATA.addAddress(address, 'ipv4')
// The same IPv4 addresses by way of NAT64 (RFC 6052) and 6to4 (RFC 3056).
METADATA.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
METADATA.addSubnet('2002:a9fe::', 32, 'ipv6')

/**
 * Addresses where clouds tell any process of a machine what it must not know, in whatever spelling: the host is parsed as
 * browsers do (decimal, octal, hexadecimal, mapped into IPv6). One that cannot be parsed counts as such an address.
 */
export function isMetadataUrl(url: string): boolean {
  const [, authority = url.split(':')[0] ?? ''] = /^[a-z]+:\/\/([^/?#]*)/i.exec(url) ?? []
  if (url.startsWith('file:')) return false
  // Only of a scheme that it knows is a host parsed as an address.
  const place = parsed(`http://${authority}`)
  if (place === null) return true
  const host = place.hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  return family === 0 ? METADATA_NAMES.test(host) : METADATA.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

function parsed(url: string): URL | null {
  return URL.canParse(url) ? new URL(url) : null
}

/**
 * What a failed call of git to a server means. git ends with 128 for every failure and tells no cause by a code, so that
 * its words decide: this table is the only place where they are read. They are those of the C locale.
 *
 * *denied*: the server or its key is not what it should be for us, and only its user can mend that; *no ref*: the repository
 * has no such ref or object; *passing*: the same may succeed when it is tried again; *final*: it will not.
 */
export type GitFailure = 'denied' | 'no ref' | 'passing' | 'final'

interface FailureRow {
  words: RegExp
  kind: GitFailure
}

const row = (kind: GitFailure, words: RegExp): FailureRow => ({ words, kind })

/** The first row that fits counts: git adds "hung up unexpectedly" to a refusal, too. */
const FAILURES: readonly FailureRow[] = [
  // remote-curl.c, http.c: refused. With prompts off, a 401 is told as a name that cannot be read.
  row('denied', /returned error: 40[137]|Authentication failed for|could not read (?:Username|Password) for/),
  // Servers say so of a repository that the caller may not see, too.
  row('denied', /repository '.*' not found|[Rr]epository not found|does not appear to be a git repository/),
  // ssh(1): the key of the client or the server.
  row('denied', /Permission denied|Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/),
  row('final', /returned error: (?!408|425|429)4\d\d/),
  // curl (vtls): a certificate stays wrong.
  row('final', /certificate|unable to find remote helper|transport '.*' not allowed/i),
  // builtin/fetch-pack.c, upload-pack.c: the ref or object is not there.
  row('no ref', /couldn't find remote ref|not our ref|no such remote ref/i),
  // http.c, remote-curl.c: the server is busy or on its way.
  row('passing', /returned error: (?:408|425|429|5\d\d)|RPC failed; HTTP (?:408|425|429|5\d\d)/),
  // curl (hostip.c, connect.c), connect.c of git, ssh(1), resolver(3).
  row('passing', /Could not resolve (?:host|proxy|hostname)|Temporary failure in name resolution|unable to look up/),
  row('passing', /Connection (?:refused|reset|timed out|closed)|Failed to connect to|Couldn't connect to server/),
  row('passing', /Operation timed out|Operation too slow|Network is unreachable|No route to host/),
  // http.c with curl (transfer.c, http2.c, vtls): the answer was cut off.
  row('passing', /Empty reply from server|outstanding read data|was not closed cleanly|RPC failed; curl/),
  row('passing', /TLS connection was non-properly terminated|SSL_ERROR_SYSCALL|unexpected eof while reading/i),
  // git-lfs: Go's net package, and what its own client says of a 5xx (lfshttp/errors.go).
  row(
    'passing',
    /dial tcp|i\/o timeout|no such host|connection reset by peer|(?:Server|Fatal) error:? .*(?:: |HTTP 5)/,
  ),
  // pack-objects over pkt-line.c, index-pack.c, sideband.c: the same, seen by git.
  row('passing', /early EOF|unexpected disconnect|hung up unexpectedly|expected flush after|bad pack header/),
]

/** `said` is the stderr of git. What is not in the table is final. */
export function kindOfFailure(said: string): GitFailure {
  return FAILURES.find(({ words }) => words.test(said))?.kind ?? 'final'
}

/** False: the same will be answered again. */
export const isPassingFailure = (said: string): boolean => kindOfFailure(said) === 'passing'
