/**
 * Signals of nodes and users: one transaction puts the signal into the inbox and pulls the wake. The same fact by
 * push and by pull is one fact. What comes too late or from an older placement is answered, not stored.
 */
import { asTdfError } from '../../src/core/errors.ts'
import { isTerminal } from '../../src/core/task.ts'
import type { AgentEvent } from '../../src/protocol/agent-api.ts'
import {
  agentRequest,
  type CallbackAnswer,
  provisioningFailed,
  taskStatus,
  workspaceReady,
} from '../../src/protocol/callbacks.ts'
import type { Sql } from '../../src/store/sqlite/sql.ts'
import { type ReadTask, readAttempt } from '../../src/store/tables/attempts.ts'
import {
  addSignal,
  hasSignal,
  openAmount,
  openSignals,
  type Signal,
  type SignalKind,
} from '../../src/store/tables/inbox.ts'
import { readWorkspace, type Workspace } from '../../src/store/tables/slots.ts'
import type { Engine } from '../services.ts'
import { type Handler, handlers } from '../steps/handlers.ts'
import { receiveRequest } from './effects/children.ts'
import { decisionInput } from './effects/input.ts'
import { pullWake } from './effects/wake.ts'
import { taskSubject } from './loop.ts'
import { decide } from './rules/decide.ts'
import { isKnownStep } from './rules/journey.ts'
import { type Outcome, usesOf } from './rules/outcome.ts'
import type { Transition } from './rules/transition.ts'
import { report } from './run-task.ts'
import { save } from './save.ts'
import { stepContext } from './step-context.ts'

/**
 * What an attempt may have been told and not used, in characters and rows: the holder of its token can invent sessions,
 * and every look at the task reads them. An exit that finds no room is seen by the next look at the agent.
 */
const OPEN_CHARACTERS_MAX = 1024 * 1024
const OPEN_ROWS_MAX = 256

export interface WorkspaceSignal {
  workspaceId: string
  kind: Extract<SignalKind, 'workspace_ready' | 'provisioning_failed' | 'session_started' | 'session_exited'>
  sessionId: string | null
  payload: Record<string, unknown>
}

/** Inside a write: a fact about a workspace or a session in it. */
export function receiveSignal(engine: Engine, signal: WorkspaceSignal): CallbackAnswer {
  const { sql } = engine.store
  const workspace = readWorkspace(sql, signal.workspaceId)
  if (!workspace) return refuse('the workspace is not known')
  const task = readAttempt(sql, { id: workspace.taskId, attempt: workspace.attempt })
  if (!task || isTerminal(task.status)) return refuse('the run is over')
  if (task.workspaceId !== signal.workspaceId) return refuse('a newer placement took over')
  const dedupe = `${signal.kind}:${signal.workspaceId}:${signal.sessionId ?? ''}`
  if (signal.sessionId !== null && isFull(sql, task) && !hasSignal(sql, dedupe)) {
    return refuse('too many signals of this attempt are not used yet')
  }
  enqueueSignal(engine, task, signal.kind, dedupe, signal.payload)
  return { accepted: true }
}

function isFull(sql: Sql, task: ReadTask): boolean {
  const { rows, characters } = openAmount(sql, task, OPEN_ROWS_MAX)
  return rows >= OPEN_ROWS_MAX || characters > OPEN_CHARACTERS_MAX
}

/** Inside a write: stores the fact once and makes its task due. */
export function enqueueSignal(
  engine: Engine,
  task: ReadTask,
  kind: SignalKind,
  dedupe: string,
  payload: Record<string, unknown>,
): void {
  const { store, world } = engine
  const now = world.clock.now()
  const key = { id: task.id, attempt: task.attempt }
  if (!addSignal(store.sql, { ...key, kind, dedupe, payload }, now)) return
  if (applyInline(engine, task)) return
  pullWake(engine, key, now)
}

/**
 * What became of a row of an outbox. `foreign`: it is about a workspace that is not on the node that tells it; `refused`: a call of an agent
 * that may not call.
 */
export type Ingested = 'taken' | 'skipped' | 'unreadable' | 'foreign' | 'refused'

/**
 * Inside a write: one row of the outbox of `nodeName`. It counts for workspaces that are on that node by our own rows,
 * whatever it says about others. Types and workspaces that we do not know are skipped.
 */
export function ingestEvent(engine: Engine, nodeName: string, event: AgentEvent): Ingested {
  const row = EVENTS.get(event.type)
  const isRequest = event.type === 'session.request'
  if ((!row && !isRequest) || event.workspaceId === null) return 'skipped'
  const workspace = readWorkspace(engine.store.sql, event.workspaceId)
  if (!workspace) return 'skipped'
  if (workspace.nodeName !== nodeName) return 'foreign'
  if (!row) return ingestRequest(engine, workspace, event)
  const body = row.body.safeParse(event.data)
  if (!body.success) return 'unreadable'
  const payload = body.data
  if ('attempt' in payload && payload.attempt !== workspace.attempt) return 'foreign'
  const sessionId = 'sessionId' in payload ? payload.sessionId : null
  try {
    receiveSignal(engine, { workspaceId: event.workspaceId, kind: row.kind, sessionId, payload })
    return 'taken'
  } catch (thrown) {
    // One damaged row must not hold up the signals of other tasks: the outbox is read in order.
    if (asTdfError(thrown).code !== 'STATE_CORRUPT') throw thrown
    engine.log.error({ seq: event.seq, workspace: event.workspaceId, err: String(thrown) }, 'an event has no reader')
    return 'skipped'
  }
}

/** Inside a write. A call of an attempt that is not that of the workspace is none of it. */
function ingestRequest(
  engine: Engine,
  { id, attempt }: Pick<Workspace, 'id' | 'attempt'>,
  event: AgentEvent,
): Ingested {
  const request = agentRequest.safeParse(event.data)
  if (!request.success) return 'unreadable'
  if (request.data.attempt !== attempt) return 'foreign'
  return receiveRequest(engine, id, request.data).accepted ? 'taken' : 'refused'
}

type Body = typeof workspaceReady | typeof provisioningFailed | typeof taskStatus

const EVENTS = new Map<string, { kind: WorkspaceSignal['kind']; body: Body }>([
  ['workspace.ready', { kind: 'workspace_ready', body: workspaceReady }],
  ['workspace.provisioning-failed', { kind: 'provisioning_failed', body: provisioningFailed }],
  ['session.exited', { kind: 'session_exited', body: taskStatus }],
])

const refuse = (reason: string): CallbackAnswer => ({ accepted: false, reason })

/** For handlers without an await, which cannot be interrupted. */
const UNINTERRUPTED = new AbortController()

/**
 * Mostly a signal is all that its task waits for: then what follows is decided and stored in the transaction of the signal
 * itself, which saves a commit, a wake and a second read of the row.
 *
 * Inside a write, after a signal was put into the inbox; `task` was read in the same write. False when it has to be run
 * for it: then nothing was changed. When it throws, the whole write is taken back, and the same call answers false when
 * the write is run again: what follows from a call never keeps the call itself from being stored.
 */
export function applyInline(engine: Engine, task: ReadTask): boolean {
  const { store, world, loop, justWritten, deferred } = engine
  const signal = inlineHandlerOf(task)
  if (!signal) return false
  const subject = taskSubject(task)
  if (!loop.isFree(subject) || deferred.delete(subject)) return false
  const startedAt = world.clock.mono()
  const plan = planFor(engine, task, signal)
  if (!plan) return false
  const { signals, outcome, decided } = plan
  try {
    store.afterCommit(() => {
      justWritten.delete(subject)
      report(engine, task, decided, outcome, world.clock.mono() - startedAt)
    })
    return save(engine, task, decided, usesOf(outcome), signals)
  } catch (thrown) {
    deferred.add(subject)
    throw thrown
  }
}

type InlineHandlerOf = NonNullable<Handler['inline']>

function inlineHandlerOf({ step, status }: ReadTask): InlineHandlerOf | undefined {
  return step !== null && !isTerminal(status) && isKnownStep(step) ? handlers[step].inline : undefined
}

interface Plan {
  signals: Signal[]
  outcome: Outcome
  decided: Transition
}

/** Undefined when the signals alone do not decide, and when one cannot be read: the hop reports that. */
function planFor(engine: Engine, task: ReadTask, signal: InlineHandlerOf): Plan | undefined {
  try {
    const signals = openSignals(engine.store.sql, task)
    if (signals.some(({ kind }) => kind === 'cancel')) return undefined
    const outcome = signal(stepContext(engine, task, signals, UNINTERRUPTED), task)
    return outcome && { signals, outcome, decided: decide(task, outcome, decisionInput(engine)) }
  } catch {
    return undefined
  }
}
