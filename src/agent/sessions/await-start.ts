/** From a request on the disk to a process, or the reason why there is none. */
import { sleep } from '../../world.ts'
import type { Agent } from '../agent.ts'
import { Refusal } from '../refusal.ts'
import { readIfThere } from '../state/durable.ts'
import { printable } from '../workspaces/printable.ts'
import { commandEnvironment } from './environment.ts'
import { readSession, runnerLogPath, type SessionState } from './folder.ts'
import { type RunnerEnd, settle, startRunner } from './runner.ts'

const LOOK_MS = 10

/** A runner that somebody sent before us may win the claim; which one does not matter. */
export async function awaitStart(
  agent: Agent,
  folder: string,
  env: Record<string, string>,
  secrets: readonly string[] = [],
): Promise<SessionState> {
  const { clock } = agent.world
  const deadline = clock.mono() + agent.limits.startWaitMs
  const request = readSession(folder)?.request
  if (!request) throw new Refusal('internal', 'the session was stored but cannot be read')
  let runnerEnd: RunnerEnd | null = null
  startRunner(agent, folder, commandEnvironment(agent, folder, request, env), secrets).then(end => {
    runnerEnd = end
  })
  for (;;) {
    // Asked before the look: what the runner wrote before its end is seen by that look.
    const ended = runnerEnd as RunnerEnd | null
    const session = await settle(agent, folder)
    if (session?.exit?.cannotStart) throw new Refusal('cannot_start', session.exit.cannotStart)
    if (session?.started || session?.exit) return session
    if (ended !== null && session?.claim === null) throw notStarted(agent, folder, ended)
    if (clock.mono() > deadline) throw notStarted(agent, folder, { kind: 'ended', reason: 'it takes too long' })
    await sleep(clock, LOOK_MS)
  }
}

/** The caller may ask again: the same request goes on where this one stopped. */
function notStarted(agent: Agent, folder: string, { kind, reason }: RunnerEnd): Refusal {
  const said = printable(readIfThere(runnerLogPath(folder)) ?? '')
  agent.log('warn', 'session runner did not start', { folder, reason, said })
  if (kind === 'not-born') return new Refusal('cannot_start', reason)
  return new Refusal('not_started', `the session's runner did not start: ${reason}${said && `\n${said}`}`)
}
