/**
 * What others tell us, taken in: one transaction puts the fact into the inbox and pulls the wake. The same fact by
 * push and by pull is one fact. What comes too late or from an older placement is answered, not stored.
 */
import { asTdfError } from '../src/errors.ts'
import type { AgentEvent } from '../src/protocol/agent-api.ts'
import { type CallbackAnswer, provisioningFailed, taskStatus, workspaceReady } from '../src/protocol/callbacks.ts'
import { type ReadTask, readAttempt, wakeAttempt } from '../src/store/attempts.ts'
import { addSignal, hasSignal, openBytes, type SignalKind } from '../src/store/inbox.ts'
import { readWorkspace } from '../src/store/slots.ts'
import { isTerminal } from '../src/task.ts'
import { actAtOnce } from './at-once.ts'
import type { Engine } from './deps.ts'
import { taskSubject } from './subjects.ts'

/**
 * What an attempt may have been told and not used, in bytes: whoever holds its token can invent sessions, and every look
 * at the task reads them. An exit that finds no room is seen by the next look at the agent.
 */
const OPEN_BYTES_MAX = 1024 * 1024

export interface Told {
  workspaceId: string
  kind: Extract<SignalKind, 'workspace_ready' | 'provisioning_failed' | 'session_started' | 'session_exited'>
  sessionId: string | null
  payload: Record<string, unknown>
}

/** Inside a write: a fact about a workspace or a session in it. */
export function tell(engine: Engine, told: Told): CallbackAnswer {
  const { sql } = engine.store
  const workspace = readWorkspace(sql, told.workspaceId)
  if (!workspace) return refuse('the workspace is not known')
  const task = readAttempt(sql, { id: workspace.taskId, attempt: workspace.attempt })
  if (!task || isTerminal(task.status)) return refuse('the run is over')
  if (task.workspaceId !== told.workspaceId) return refuse('a newer placement took over')
  const dedupe = `${told.kind}:${told.workspaceId}:${told.sessionId ?? ''}`
  if (told.sessionId !== null && openBytes(sql, task) > OPEN_BYTES_MAX && !hasSignal(sql, dedupe)) {
    return refuse('too much of what was told is unread')
  }
  push(engine, task, told.kind, dedupe, told.payload)
  return { accepted: true }
}

/** Inside a write: stores the fact once and makes its task due. */
export function push(
  engine: Engine,
  task: ReadTask,
  kind: SignalKind,
  dedupe: string,
  payload: Record<string, unknown>,
): boolean {
  const { store, loop, world, justWritten } = engine
  const now = world.clock.now()
  const key = { id: task.id, attempt: task.attempt }
  if (!addSignal(store.sql, { ...key, kind, dedupe, payload }, now)) return false
  if (actAtOnce(engine, task)) return true
  if (wakeAttempt(store.sql, key, now)) {
    store.afterCommit(() => {
      // It was written before this was said.
      justWritten.delete(taskSubject(key))
      loop.schedule(taskSubject(key), now)
    })
  }
  return true
}

/** Inside a write: one row of an agent's outbox. Types that we do not know and bodies that we cannot read are skipped. */
export function absorb(engine: Engine, event: AgentEvent): void {
  const row = EVENTS.get(event.type)
  if (!row || event.workspaceId === null) return
  const body = row.body.safeParse(event.data)
  if (!body.success) {
    engine.log.warn({ seq: event.seq, type: event.type }, 'an agent event could not be read')
    return
  }
  const told = { workspaceId: event.workspaceId, kind: row.kind, sessionId: event.sessionId, payload: body.data }
  try {
    tell(engine, told)
  } catch (thrown) {
    // One damaged row must not keep what others were told from them: the outbox is read in order.
    if (asTdfError(thrown).code !== 'STATE_CORRUPT') throw thrown
    engine.log.error({ seq: event.seq, workspace: event.workspaceId, err: String(thrown) }, 'an event has no reader')
  }
}

type Body = typeof workspaceReady | typeof provisioningFailed | typeof taskStatus

const EVENTS = new Map<string, { kind: Told['kind']; body: Body }>([
  ['workspace.ready', { kind: 'workspace_ready', body: workspaceReady }],
  ['workspace.provisioning-failed', { kind: 'provisioning_failed', body: provisioningFailed }],
  ['session.exited', { kind: 'session_exited', body: taskStatus }],
])

const refuse = (reason: string): CallbackAnswer => ({ accepted: false, reason })
