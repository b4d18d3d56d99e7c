/**
 * One push of one commit to one branch, from our own repository. It creates the branch, or moves it forward from what we
 * put there before; nothing is ever replaced, and a branch that holds anything else is left as it is.
 */
import type { Config } from '../../../src/config/schema/config.ts'
import { git } from '../../../src/platform/git.ts'
import type { Push } from '../../../src/store/tables/pushes.ts'
import { reaches } from '../merge.ts'
import type { Repository } from '../repository.ts'

const PUSH_TIMEOUT_MS = 300_000
const ASK_TIMEOUT_MS = 60_000
const WORDS_MAX = 1_000

/** *refused*: the other side answered and said no, so that the same push would fail again. */
export type Pushed = { kind: 'pushed' } | { kind: 'refused' | 'failed'; why: string }

export async function pushBranch(
  repository: Repository,
  { remote, branch, commitId, pushedCommit }: Pick<Push, 'remote' | 'branch' | 'commitId' | 'pushedCommit'>,
  token: string | null,
  signal: AbortSignal,
): Promise<Pushed> {
  if (pushedCommit !== null && !(await reaches(repository, commitId, pushedCommit))) {
    const why = `${branch} holds ${pushedCommit.slice(0, 12)} of this task, and ${commitId.slice(0, 12)} does not go on from it`
    return { kind: 'refused', why: `${why}: nothing is replaced; --branch names another` }
  }
  const ref = `refs/heads/${branch}`
  // The branch is where we left it, or is not there: from there a push only moves forward.
  const lease = `--force-with-lease=${ref}:${pushedCommit ?? ''}`
  const plain = ['--no-verify', '--no-follow-tags', '--no-recurse-submodules', '--no-signed']
  const args = ['push', '--porcelain', ...plain, lease, '--', remote, `${commitId}:${ref}`]
  const { exitCode, stdout, stderr, timedOut } = await git(['--git-dir', repository.dir, ...args], {
    ...{ cwd: repository.dir, env: credentialEnv(remote, token), asOwner: true },
    ...{ timeoutMs: PUSH_TIMEOUT_MS, signal, ownGroup: true },
  })
  if (exitCode === 0) return { kind: 'pushed' }
  if (timedOut) return { kind: 'failed', why: `no end within ${PUSH_TIMEOUT_MS / 1000} s` }
  // git-push(1), OUTPUT: a line of --porcelain that begins with "!" is a ref that the other side did not take.
  const refusal = stdout.split('\n').find(line => line.startsWith('!\t'))
  const said = stderr.trim() || `git ended with ${exitCode}`
  if (refusal === undefined) return { kind: 'failed', why: lastOf(said) }
  // A push that a dead daemon had begun may have come first.
  const tip = await remoteTip(repository, { remote, branch }, token, signal)
  if (tip === commitId) return { kind: 'pushed' }
  const summary = refusal.split('\t')[2] ?? ''
  const isForeign = tip !== null && tip !== pushedCommit
  const foreign = isForeign ? [`${branch} is at ${tip.slice(0, 12)}, which tdf did not put there: it stays`] : []
  return { kind: 'refused', why: lastOf([summary, ...foreign, ...remoteLines(stderr)].join('\n')) }
}

/** What the server and its hooks say. */
function remoteLines(stderr: string): string[] {
  return stderr.split('\n').flatMap(line => (/^remote: \s*\S/.test(line) ? [line.slice('remote: '.length).trim()] : []))
}

const lastOf = (text: string) => text.slice(-WORDS_MAX)

/** What the remote has on a branch; null when it has none, and also when it cannot be asked. */
export async function remoteTip(
  repository: Repository,
  { remote, branch }: Pick<Push, 'remote' | 'branch'>,
  token: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  const args = ['ls-remote', '--exit-code', '--heads', '--', remote, `refs/heads/${branch}`]
  const as = { env: credentialEnv(remote, token), asOwner: true }
  const limits = { timeoutMs: ASK_TIMEOUT_MS, signal, ownGroup: true }
  const { exitCode, stdout } = await git(args, { cwd: repository.dir, ...as, ...limits })
  return exitCode === 0 ? (stdout.split('\t')[0] ?? null) : null
}

/** The token for a host: looked up by name when it is used, handed on in the environment, never in an argument. */

/** Null when none is meant for the host of `remote`. Never sent over a line that others can read. */
export function tokenFor(
  { tokens }: Pick<Config['push'], 'tokens'>,
  remote: string,
  secrets: (names: readonly string[]) => Record<string, string>,
): string | null {
  const url = URL.canParse(remote) ? new URL(remote) : null
  if (!url || !isSafeLine(url)) return null
  const name = Object.hasOwn(tokens, url.host) ? tokens[url.host] : undefined
  return name === undefined ? null : (secrets([name])[name] ?? null)
}

const isSafeLine = ({ protocol, hostname }: URL) =>
  protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))

/** The first word of what git asks a helper is what it wants (gitcredentials(7), CUSTOM HELPERS). */
const HELPER = `!f() { test "$1" = get && printf 'username=x-access-token\\npassword=%s\\n' "$TDF_GIT_TOKEN"; }; f`

/**
 * A token as the only credential helper of one origin, by the environment (git-config(1), GIT_CONFIG_COUNT). A header of
 * `http.<url>.extraHeader` would go along to whatever host that origin redirects to (git 2.39, shown in the test). The user
 * name does not matter to GitHub, GitLab, Gitea and Forgejo.
 */
export function credentialEnv(remote: string, token: string | null): Record<string, string> {
  if (token === null) return {}
  const key = `credential.${new URL(remote).origin}.helper`
  return {
    GIT_CONFIG_COUNT: '2',
    // An empty one forgets those that stand before it.
    GIT_CONFIG_KEY_0: key,
    GIT_CONFIG_VALUE_0: '',
    GIT_CONFIG_KEY_1: key,
    GIT_CONFIG_VALUE_1: HELPER,
    TDF_GIT_TOKEN: token,
  }
}
