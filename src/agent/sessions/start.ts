/**
 * `POST …/agent-sessions`: exactly one start of the command for each session id, over a crash at any line. The
 * request is on the disk before the runner is born, and the runner claims it before the command is. A repeat finds
 * out how far the first call came and goes on from there.
 */
import { readIfThere } from '../../platform/files.ts'
import { sleep } from '../../platform/world.ts'
import type { StartSession } from '../../protocol/agent-api.ts'
import type { Agent } from '../agent.ts'
import { malformed, Refusal } from '../errors.ts'
import { makeArtifactsFolder } from '../isolation/slots.ts'
import { sessionContent } from '../workspaces/content.ts'
import { printable, report } from '../workspaces/report.ts'
import { updateRecord, type Workspace, workTree } from '../workspaces/workspace.ts'
import type { Launch } from './adapters/adapter.ts'
import { restoreConversation } from './adapters/conversations.ts'
import { ADAPTERS } from './adapters/index.ts'
import { commandEnvironment } from './environment.ts'
import { uuidOf } from './facts.ts'
import {
  isRunning,
  listSessions,
  readSession,
  runnerLogPath,
  SETUP,
  type SessionRequest,
  type SessionState,
  sessionFolder,
} from './folder.ts'
import { type RunnerEnd, revoke, settle, startRunner } from './process.ts'
import { discardSession, writeRequest } from './request.ts'
import { watchSession } from './watch.ts'

export interface SessionStarted {
  session: SessionState
  isNew: boolean
}

export function startSession(agent: Agent, workspace: Workspace, body: StartSession): Promise<SessionStarted> {
  if (body.sessionId === SETUP) throw malformed('sessionId', `"${SETUP}" is the agent's own`)
  if (body.agent.command.some(word => word.includes('\0'))) throw malformed('agent.command', 'must not hold NUL')
  if (body.agent.args?.some(word => word.includes('\0'))) throw malformed('agent.args', 'must not hold NUL')
  for (const [name, value] of Object.entries(body.agent.env)) {
    if (value.includes('\0')) throw malformed(`agent.env.${name}`, 'must not hold NUL')
  }
  return workspace.serialize(() => start(agent, workspace, body))
}

async function start(agent: Agent, workspace: Workspace, body: StartSession): Promise<SessionStarted> {
  const folder = sessionFolder(workspace, body.sessionId)
  const known = await knownSession(agent, workspace, folder)
  if (known) {
    if (known.request.contentHash !== sessionContent(body)) {
      throw new Refusal('conflict', `session ${body.sessionId} exists with other content`)
    }
    if (known.started || known.exit) return { session: known, isNew: false }
  }
  refuseUnlessReady(workspace)
  await refuseWhileOtherRuns(agent, workspace, body.sessionId)
  const launch = ADAPTERS[body.agent.type].prepare(body, conversationOf(workspace, body))
  const request = known?.request ?? requestOf(agent, workspace, body, launch)
  if (body.maySpawn) await agent.relay.open()
  if (!known) {
    if (body.trailer !== undefined) attributeTo(workspace, body.trailer)
    writeRequest(agent, workspace, request, body.prompt, body.transcript)
  }
  makeArtifactsFolder(agent, workspace)
  const given = { ...launch.env, ...(body.trailer === undefined ? {} : { TDF_TRAILER: body.trailer }) }
  const stored = readSession(folder)
  if (stored) {
    const env = commandEnvironment(agent, folder, stored.request, given)
    await restoreConversation(agent, workspace, stored, env)
  }
  const session = await awaitStart(agent, folder, given, Object.keys(body.agent.env)).catch(async error => {
    const isFinal = error instanceof Refusal && error.code === 'cannot_start'
    if (isFinal) await discardSession(agent, workspace, folder)
    throw error
  })
  report(agent, workspace)
  watchSession(agent, workspace, folder)
  return { session, isNew: true }
}

/** From now on: on commits of ours, and by the hook of the clone on those of its agents. */
function attributeTo(workspace: Workspace, trailer: string): void {
  updateRecord(workspace, { request: { ...workspace.record.request, trailer } })
}

function requestOf(
  agent: Agent,
  workspace: Workspace,
  body: StartSession,
  launch: Launch,
): Omit<SessionRequest, 'slot'> {
  return {
    sessionId: body.sessionId,
    workspaceId: workspace.id,
    taskId: workspace.record.request.taskId,
    attempt: workspace.record.request.attempt,
    number: nextNumber(workspace),
    contentHash: sessionContent(body),
    type: body.agent.type,
    command: [...launch.command],
    stdin: launch.stdin,
    resumeRef: body.resumeRef,
    model: body.model ?? null,
    permissions: body.permissions ?? 'allow',
    maxCostUsd: body.maxCostUsd ?? null,
    timeoutMs: body.timeoutMs,
    idleMs: body.idleMs ?? null,
    workTree: workTree(workspace),
    sandbox: body.sandbox ?? null,
    ...(body.maySpawn ? { maySpawn: true as const } : {}),
    createdAt: new Date(agent.world.clock.now()).toISOString(),
  }
}

/** The same however often it is asked: a name that was given out before its agent ran may be used again. */
function conversationOf(workspace: Workspace, { sessionId }: StartSession): string {
  return uuidOf({ workspaceId: workspace.id, sessionId }, 'conversation')
}

/** A session that could not be started, or was given up before it was, is no session: its id may be used again. */
async function knownSession(agent: Agent, workspace: Workspace, folder: string): Promise<SessionState | null> {
  const session = await settle(agent, folder)
  if (!session?.exit?.cannotStart && session?.claim?.kind !== 'revoked') return session
  await discardSession(agent, workspace, folder)
  return null
}

function refuseUnlessReady(workspace: Workspace): void {
  const { status } = workspace.record
  if (status !== 'ready') throw new Refusal('workspace_not_ready', `workspace ${workspace.id} is ${status}`)
}

/** One that was asked for but never claimed cannot start any more once another one is asked for. */
async function refuseWhileOtherRuns(agent: Agent, workspace: Workspace, sessionId: string): Promise<void> {
  for (const { folder, request } of listSessions(workspace)) {
    if (request.sessionId === sessionId) continue
    const session = await settle(agent, folder)
    if (!session || session.exit) continue
    if (isRunning(session) || !revoke(session)) {
      throw new Refusal('session_running', `session ${request.sessionId} is running`)
    }
    await discardSession(agent, workspace, folder)
  }
}

function nextNumber(workspace: Workspace): number {
  return Math.max(0, ...listSessions(workspace).map(session => session.request.number)) + 1
}

/** The session, if the workspace has it and it was started, or at least claimed. */
export async function sessionOf(agent: Agent, workspace: Workspace, sessionId: string): Promise<SessionState> {
  const folder = sessionFolder(workspace, sessionId)
  const session = sessionId === SETUP ? null : await settle(agent, folder)
  if (session?.claim?.kind !== 'runner' || session.exit?.cannotStart) {
    throw new Refusal('not_found', `workspace ${workspace.id} has no session ${sessionId}`)
  }
  return readSession(folder) ?? session
}

/** From a request on the disk to a process, or the reason why there is none. */

const LOOK_MS = 10

/** The runner of an earlier call may win the claim; which one does not matter. */
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
