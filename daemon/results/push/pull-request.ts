/**
 * Opens the pull request of a branch that was pushed: by `gh`, or by a command of yours. Both look first whether it is
 * there: it is never opened twice.
 */
import process from 'node:process'
import type { Config } from '../../../src/config/schema/config.ts'
import type { Task } from '../../../src/core/task.ts'
import { type RunResult, run } from '../../../src/platform/run.ts'
import type { Push } from '../../../src/store/tables/pushes.ts'
import { sizeText } from '../../../src/text/tasks.ts'
import { isOnPath } from '../../host/programs.ts'
import { forgeEnv } from './watch/view.ts'

const PR_TIMEOUT_MS = 120_000
const OUTPUT_BYTES_MAX = 64 * 1024
const WORDS_MAX = 1_000
/** gh help exit-codes: "requires authentication". */
const GH_NO_LOGIN = 4
/** sysexits(3): it may work later. */
const TRY_LATER = 75

export type Opened = { kind: 'opened'; url: string | null } | { kind: 'refused' | 'failed'; why: string }

export interface PullRequest {
  task: Task
  push: Push
  /** The branch that it is to be merged into; null is the default of the repository. */
  base: string | null
  draft: boolean
  token: string | null
}

export function openPullRequest(
  { prCommand }: Config['push'],
  request: PullRequest,
  signal: AbortSignal,
): Promise<Opened> {
  const [program, ...args] = prCommand
  return program === undefined ? byGh(request, signal) : byCommand([program, ...args], request, signal)
}

async function byGh(request: PullRequest, signal: AbortSignal): Promise<Opened> {
  const { task, push, base, draft } = request
  if (!isOnPath('gh', process.env.PATH ?? '')) {
    const why = 'gh is not on the PATH of the daemon; install it, or set [push] pr_command'
    return { kind: 'refused', why }
  }
  const env = { ...forgeEnv(request.token), GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1', NO_COLOR: '1' }
  const at = ['--repo', push.remote, '--head', push.branch]
  const listed = await call(
    'gh',
    ['pr', 'list', ...at, '--state', 'open', '--json', 'url', '--jq', '.[].url'],
    env,
    signal,
  )
  if (listed.exitCode !== 0) return notOpened(listed, listed.exitCode === GH_NO_LOGIN)
  const known = urlIn(listed.stdout)
  if (known !== null) return { kind: 'opened', url: known }
  const into = base === null ? [] : ['--base', base]
  const as = draft ? ['--draft'] : []
  const args = ['pr', 'create', ...at, ...into, ...as, '--title', task.spec.title, '--body-file', '-']
  const made = await call('gh', args, env, signal, bodyOf(task))
  if (made.exitCode !== 0) return notOpened(made, made.exitCode === GH_NO_LOGIN)
  return { kind: 'opened', url: urlIn(made.stdout) }
}

/** Exit 0: it is there, and its address is the last line with one on stdout. Exit 75: not now. Any other: no. */
async function byCommand(command: string[], request: PullRequest, signal: AbortSignal): Promise<Opened> {
  const { task, push, base, draft } = request
  const env = {
    ...forgeEnv(request.token),
    ...{ TDF_TASK_ID: task.id, TDF_TITLE: task.spec.title, TDF_REMOTE: push.remote, TDF_BRANCH: push.branch },
    ...{ TDF_BASE: base ?? '', TDF_COMMIT: push.commitId, TDF_DRAFT: draft ? '1' : '' },
  }
  const [program = '', ...args] = command
  const made = await call(program, args, env, signal, bodyOf(task))
  if (made.exitCode === 0) return { kind: 'opened', url: urlIn(made.stdout) }
  return notOpened(made, made.exitCode !== TRY_LATER && made.exitCode !== null)
}

function call(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
  input = '',
): Promise<RunResult> {
  return run(program, args, {
    cwd: '/',
    env,
    input,
    timeoutMs: PR_TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
    signal,
    ownGroup: true,
  })
}

function notOpened({ exitCode, stderr, timedOut }: RunResult, isFinal: boolean): Opened {
  const said = stderr.trim().slice(-WORDS_MAX)
  const why = timedOut ? `no end within ${PR_TIMEOUT_MS / 1000} s` : said || `it ended with ${exitCode}`
  return { kind: isFinal ? 'refused' : 'failed', why }
}

function urlIn(text: string): string | null {
  return (
    text
      .split('\n')
      .findLast(line => /^https?:\/\/\S+$/.test(line.trim()))
      ?.trim() ?? null
  )
}

/** What a reviewer has to know before they trust it. */
function bodyOf(task: Task): string {
  const { id, spec, result, verdict } = task
  const check = result?.check ? `\`${result.check.command}\` passed after the agent had ended.` : 'No check was run.'
  const saved = result?.salvaged
    ? ' The last commit was made by tdf from work that the agent had left uncommitted.'
    : ''
  // What people wrote in an issue is in its prompt, and may name others to be closed.
  const said = result?.summary?.trim() || (spec.source ? spec.title : spec.prompt.trim())
  const fixes = spec.source?.fixes ? `\nFixes ${spec.source.fixes}\n` : ''
  return `${said}\n\n---\nTask ${id} of tdf, done by ${spec.agent.name}: ${verdict}. ${check}${saved}\n${artifactsOf(task)}${fixes}`
}

const ARTIFACTS_NAMED_MAX = 20

/** By name and size: a forge takes no files by its API. */
function artifactsOf({ id, facts }: Task): string {
  const list = facts.salvage?.files?.list ?? []
  if (list.length === 0) return ''
  const lines = list
    .slice(0, ARTIFACTS_NAMED_MAX)
    .map(({ path, bytes }) => `- \`${path.replaceAll('`', "'")}\` (${sizeText(bytes)})`)
  const more = list.length > lines.length ? [`- and ${list.length - lines.length} more`] : []
  return ['', `Artifacts, on the machine of tdf (\`tdf artifacts get ${id}\`):`, ...lines, ...more, ''].join('\n')
}
