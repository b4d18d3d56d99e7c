/** Starting a session's runner, asking it to end, and doing its books when it died. */
import { closeSync, openSync } from 'node:fs'
import { bootId, isAlive, type ProcessIdentity, sendSignal, startDetached } from '../../platform/process.ts'
import { sleep } from '../../platform/world.ts'
import { LOST_UNDER_RUN } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { killLeftovers, memberFinder } from '../isolation/processes.ts'
import { createJson } from '../state/durable.ts'
import { runnerEnvironment } from './environment.ts'
import {
  claimPath,
  exitPath,
  isRunning,
  promptPath,
  readSession,
  runnerLogPath,
  type SessionExit,
  type SessionState,
} from './folder.ts'

/** How much longer than its own grace a runner may take to end its command before it is ended itself. */
const RUNNER_GRACE_MS = 10_000
/** How long the end of a runner that was killed is waited for: one that hangs in the kernel stays. */
const KILLED_MS = 5_000
const LOOK_MS = 25

export type RunnerEnd = { kind: 'not-born' | 'ended'; reason: string }

/** Gives how the runner ended; a session goes on without the node's agent, which may never ask. */
export async function startRunner(
  agent: Agent,
  folder: string,
  env: Record<string, string>,
  secrets: readonly string[],
): Promise<RunnerEnd> {
  const output = openSync(runnerLogPath(folder), 'a', 0o600)
  try {
    const [file, ...args] = agent.program
    const options = { cwd: folder, env: runnerEnvironment(agent, env, secrets), output }
    agent.world.failpoint('before', 'runner')
    const child = startDetached(file, [...args, 'run-session', folder], options)
    agent.world.failpoint('after', 'runner')
    return await new Promise(resolve => {
      child.once('error', error => resolve({ kind: 'not-born', reason: error.message }))
      child.once('exit', (code, signal) => resolve({ kind: 'ended', reason: signal ?? `exit code ${code}` }))
    })
  } catch (error) {
    return { kind: 'not-born', reason: messageOf(error) }
  } finally {
    closeSync(output)
  }
}

/** Where the session is. The end of a session whose runner died before it wrote one is worked out and written here. */
export async function settle(agent: Agent, folder: string): Promise<SessionState | null> {
  const session = readSession(folder)
  if (!session || !isRunning(session) || session.claim?.kind !== 'runner') return session
  if (isAlive(session.claim.runner)) return session
  const latest = readSession(folder)
  if (!latest || !isRunning(latest)) return latest
  await killSession(agent, latest)
  createJson(exitPath(folder), endOfDeadRunner(agent, latest, session.claim.runner))
  return readSession(folder)
}

function endOfDeadRunner(agent: Agent, session: SessionState, runner: ProcessIdentity): SessionExit {
  const errorMessage = runner.bootId === bootId() ? LOST_UNDER_RUN.runner : LOST_UNDER_RUN.machine
  return {
    exitCode: null,
    signal: 'SIGKILL',
    errorMessage,
    startedAt: session.started?.startedAt ?? session.request.createdAt,
    endedAt: new Date(agent.world.clock.now()).toISOString(),
    cannotStart: null,
  }
}

/** Ends every process of a session at once, its runner first, so that it writes nothing down. */
export async function killSession(agent: Agent, session: SessionState): Promise<void> {
  const { claim, request, started, folder } = session
  if (claim?.kind === 'runner') {
    if (isAlive(claim.runner)) sendSignal(claim.runner.pid, 'SIGKILL')
    if (claim.runner.bootId !== bootId()) return
  }
  const { workspaceId, sessionId } = request
  const mark = {
    workspaceId,
    sessionId,
    promptFile: promptPath(folder),
    leader: started?.leader ?? null,
    slot: request.slot,
  }
  const clean = await killLeftovers(agent.world, memberFinder(mark))
  if (!clean)
    agent.log('warn', 'processes of a session cannot be ended', { workspace: workspaceId, session: sessionId })
}

/** SIGTERM to the runner: it passes it on to the command's group, and SIGKILL after the grace. */
export function askToEnd(session: SessionState): void {
  if (isRunning(session) && session.claim?.kind === 'runner' && isAlive(session.claim.runner)) {
    sendSignal(session.claim.runner.pid, 'SIGTERM')
  }
}

/** Ends a running session and waits until its books are done; a runner that does not react is ended too. */
export async function endSession(agent: Agent, folder: string): Promise<void> {
  const { clock } = agent.world
  const deadline = clock.mono() + agent.limits.killGraceMs + RUNNER_GRACE_MS
  let session = await settle(agent, folder)
  if (session) askToEnd(session)
  while (session && isRunning(session) && clock.mono() <= deadline + KILLED_MS) {
    if (clock.mono() > deadline) await killSession(agent, session)
    await sleep(clock, LOOK_MS)
    session = await settle(agent, folder)
  }
}

/** From now on no runner can start this session. False when one has. */
export function revoke(session: SessionState): boolean {
  return session.claim?.kind === 'revoked' || createJson(claimPath(session.folder), { kind: 'revoked' })
}
