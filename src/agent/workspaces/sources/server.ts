/** Calls of git to the server of a repository: again after a failure of the network, and all that they start ends with them. */
import { backoffMs } from '../../../core/backoff.ts'
import { OPEN_UMASK } from '../../../platform/files.ts'
import { git, isPassingFailure, withoutPasswords } from '../../../platform/git.ts'
import type { RunResult } from '../../../platform/run.ts'
import { sleep } from '../../../platform/world.ts'
import { gitProgress, withoutProgress } from '../../../text/progress/how-far.ts'
import type { BuildContext } from '../../agent.ts'
import { removeTree } from '../../state/remove-tree.ts'
import { printable } from '../report.ts'

/** A dead server is told by its silence; nobody is there to answer a question of ssh. */
export const PATIENCE = ['-c', 'http.lowSpeedLimit=1', '-c', 'http.lowSpeedTime=60']
export const SSH = { GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o ConnectTimeout=30' }

/** A server that restarts, or a network that comes back, has a quarter of a minute. */
const TRIES_MAX = 5
const RETRY_MS_MAX = 30_000

export interface Tried extends RunResult {
  tries: number
  /** The last failure is one of the network. */
  isPassing: boolean
}

/** Runs git against the server of `url`, again after a failure of the network, all within the limit of one clone. */
export async function tried(context: BuildContext, url: string, args: readonly string[], cwd: string): Promise<Tried> {
  const { agent, workspace, signal, tree } = context
  const { clock, random } = agent.world
  const { cloneMs, cloneRetryMs: baseMs } = agent.limits
  const cloning = `cloning ${printable(withoutPasswords(url))}`
  workspace.doing = cloning
  const tell = (progress: string | null) => {
    if (progress !== null) workspace.doing = `${cloning}: ${progress}`
  }
  const endsAt = clock.mono() + cloneMs
  for (let tries = 1; ; tries += 1) {
    const said = await git([...PATIENCE, ...args], {
      cwd,
      env: SSH,
      onStderr: text => tell(gitProgress(text)),
      timeoutMs: Math.max(1, Math.ceil(endsAt - clock.mono())),
      umask: OPEN_UMASK,
      signal,
      ownGroup: true,
    })
    signal.throwIfAborted()
    const result = { ...said, stderr: withoutProgress(said.stderr) }
    const isPassing = result.exitCode !== 0 && (result.timedOut || isPassingFailure(result.stderr))
    const delayMs = backoffMs(tries, { baseMs, maxMs: RETRY_MS_MAX, jitter: random.float(), spread: 0.5 })
    const isLast = !isPassing || tries === TRIES_MAX || clock.mono() + delayMs >= endsAt
    if (isLast) return { ...result, tries, isPassing }
    agent.log('warn', `git ${args[0]} failed and is tried again`, { tries, delayMs, reason: printable(result.stderr) })
    await sleep(clock, delayMs, signal)
    // What a clone that was cut off leaves would be in the way of the next.
    if (args[0] === 'clone' && !(await removeTree(tree))) return { ...result, tries, isPassing }
  }
}

export function failureText(what: string, { stderr, exitCode, timedOut, tries }: Tried): string {
  const plain = printable(stderr) || `git ${what} failed (exit code ${exitCode})`
  const said = timedOut ? `git ${what} did not end within its limit` : plain
  return tries === 1 ? said : `${said} (tried ${tries} times)`
}
