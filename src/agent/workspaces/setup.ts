/** The setup command: a session of the agent's own, so that it has a log, a limit, and leaves nothing running. */
import { sleep } from '../../world.ts'
import type { Agent } from '../agent.ts'
import { Refusal } from '../refusal.ts'
import { awaitStart } from '../sessions/await-start.ts'
import {
  isRunning,
  outputPath,
  PLAIN,
  readSession,
  SETUP,
  type SessionExit,
  sessionFolder,
} from '../sessions/folder.ts'
import { discardSession, writeRequest } from '../sessions/request.ts'
import { killSession, settle } from '../sessions/runner.ts'
import { readTail } from '../state/tail.ts'
import { type BuildContext, BuildFailure } from './build-context.ts'
import { printable } from './printable.ts'
import { type Workspace, workTree } from './workspace.ts'

const LOOK_MS = 50

/** What was asked for, or else what the repository asks for. */
export async function setUp(context: BuildContext, own: string | null): Promise<void> {
  const { agent, workspace, signal } = context
  const { taskId, attempt, repositorySetup, sandbox = null } = workspace.record.request
  const setup =
    own !== null && repositorySetup
      ? { command: own, timeoutMs: repositorySetup.timeoutMs }
      : workspace.record.request.setup
  if (!setup || signal.aborted) return
  const folder = sessionFolder(workspace, SETUP)
  const request = {
    sessionId: SETUP,
    workspaceId: workspace.id,
    taskId,
    attempt,
    number: 0,
    contentHash: '',
    type: 'command',
    command: ['sh', '-c', setup.command],
    stdin: 'nothing' as const,
    ...PLAIN,
    timeoutMs: setup.timeoutMs,
    workTree: workTree(workspace),
    sandbox,
    createdAt: new Date(agent.world.clock.now()).toISOString(),
  }
  writeRequest(agent, workspace, request, '')
  const exit = await runToEnd(context, folder)
  if (signal.aborted) return
  if (exit.exitCode === 0 && exit.errorMessage === null) return
  const tail = printable(readTail(outputPath(folder)))
  throw new BuildFailure(`the setup command ${howItEnded(exit)}${tail && `:\n${tail}`}`)
}

/** A setup of an earlier start of the agent may still be running: it ends before the build begins again. */
export async function endSetup(agent: Agent, workspace: Workspace): Promise<void> {
  const folder = sessionFolder(workspace, SETUP)
  const session = readSession(folder)
  if (!session) return
  await killSession(agent, session)
  await discardSession(agent, workspace, folder)
}

async function runToEnd(context: BuildContext, folder: string): Promise<SessionExit> {
  const { agent, signal } = context
  let session = await awaitStart(agent, folder, {}).catch(error => {
    if (error instanceof Refusal) throw new BuildFailure(`the setup command could not be started: ${error.message}`)
    throw error
  })
  while (isRunning(session)) {
    // When the agent itself ends, the setup goes on for now: the next start ends it and builds again.
    if (signal.aborted && !agent.ending.signal.aborted) await killSession(agent, session)
    if (agent.ending.signal.aborted) throw new BuildFailure('the agent is ending')
    await sleep(agent.world.clock, LOOK_MS)
    session = (await settle(agent, folder)) ?? session
  }
  return session.exit ?? (await lostExit(folder))
}

async function lostExit(folder: string): Promise<SessionExit> {
  const exit = readSession(folder)?.exit
  if (!exit) throw new BuildFailure('the setup command left no exit status')
  return exit
}

function howItEnded(exit: SessionExit): string {
  if (exit.errorMessage === 'timeout') return 'ran into its time-out'
  if (exit.errorMessage) return `failed (${exit.errorMessage})`
  return exit.signal ? `was ended by ${exit.signal}` : `failed with exit code ${exit.exitCode}`
}
