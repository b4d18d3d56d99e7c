/**
 * The one door of the engine: `start` an attempt, `signal` a fact, `query` how things stand. Routes, sweeps and retry
 * use nothing else. Each call is one transaction, and answers when it is durable.
 */
import { TdfError } from '../../src/core/errors.ts'
import { isGone } from '../../src/core/node.ts'
import { type AttemptKey, isTerminal } from '../../src/core/task.ts'
import type { AgentRequest, CallbackAnswer } from '../../src/protocol/callbacks.ts'
import { insertChild } from '../../src/store/groups/children.ts'
import { type Group, insertMember, openGroup } from '../../src/store/groups/groups.ts'
import type { Sql } from '../../src/store/sqlite/sql.ts'
import { type ReadTask, readAttempt, readNewestAttempt } from '../../src/store/tables/attempts.ts'
import { hasSignal, openSignals } from '../../src/store/tables/inbox.ts'
import { readNode, writeHeartbeat } from '../../src/store/tables/nodes.ts'
import { findByIdempotencyKey, insertTask, type NewTask, newestKey } from '../../src/store/tables/tasks.ts'
import type { Engine } from '../services.ts'
import { knownContinue, openAttempt, openContinued } from './attempts.ts'
import { receiveRequest } from './effects/children.ts'
import { followersAtSubmit, insertEdges } from './effects/release.ts'
import { type Reply, type ReplyWays, takeReply } from './effects/reply.ts'
import { spentBefore } from './effects/usage.ts'
import { lookAtNode } from './effects/wake.ts'
import { taskSubject } from './loop.ts'
import { type ContinueRequest, raisedLimit, refuseChange } from './rules/continuing.ts'
import { resumeByFirst } from './rules/handing-over.ts'
import { saveFollowers } from './save.ts'
import { enqueueSignal, receiveSignal, type WorkspaceSignal } from './signals.ts'

export type EngineSignal =
  | { kind: 'workspace'; signal: WorkspaceSignal }
  | { kind: 'cancel'; taskId: string }
  /** With `requestId` it answers that question alone, and is no prompt. */
  | { kind: 'followup'; taskId: string; deliveryId: string; text: string; requestId?: string }
  | { kind: 'close'; taskId: string }
  | { kind: 'request'; workspaceId: string; request: AgentRequest }
  | { kind: 'node_ready'; name: string; stateId: string; agentVersion: string }
  | { kind: 'heartbeat'; name: string; stateId: string; cpuPercent: number; memoryPercent: number; diskPercent: number }

export interface Starting {
  /** Goes on with the tree and the conversation of the former attempt. Throws NO_RESULT when nothing of it was saved. */
  resume?: boolean
}

export interface EngineApi {
  /**
   * Inserts the task with its first attempt. The same id again changes nothing, and neither does the same idempotency
   * key: the answer is the task that has it. Throws IDEMPOTENCY_CONFLICT when that one asks for something else.
   */
  submit(task: NewTask): Promise<AttemptKey>
  /**
   * All of them or none: each is made when the ones before it are there. `tasks` may be asked more than once; it throws what is wrong
   * with one.
   */
  submitAll(group: Group | null, tasks: () => Iterable<NewTask>): Promise<void>
  /** Opens attempt `attempt` of a task whose former one is over. Idempotent; throws NOT_FOUND or WRONG_STATE. */
  start(taskId: string, attempt: number, how?: Starting): Promise<AttemptKey>
  /**
   * Opens the attempt that goes on from what was saved last with what the request says; a task that waits for its user gets
   * the words at once. The same request again changes nothing. Throws NOT_FOUND, WRONG_STATE, NO_RESULT or
   * IDEMPOTENCY_CONFLICT; then nothing was changed.
   */
  goOn(taskId: string, request: ContinueRequest): Promise<AttemptKey>
  signal(signal: EngineSignal): Promise<CallbackAnswer>
  /** Does what the code with this hash stands for, once. Throws what the engine refuses; then nothing was changed. */
  reply(hash: string): Promise<Reply>
  /** The newest attempt, or the one that is named; undefined when there is none. */
  query(taskId: string, attempt?: number): ReadTask | undefined
}

export function createEngineApi(engine: Engine): EngineApi {
  const { store } = engine
  return {
    submit: task => store.answered(() => submitInside(engine, task)),
    submitAll: (group, tasks) =>
      store.answered(() => {
        if (group) openGroup(store.sql, group, engine.world.clock.now())
        for (const task of tasks()) submitInside(engine, task)
      }),
    start: (taskId, attempt, how) => store.answered(() => start(engine, taskId, attempt, how)),
    goOn: (taskId, request) => store.answered(() => goOn(engine, taskId, request)),
    signal: signal => store.answered(() => receive(engine, signal)),
    reply: hash => store.answered(() => takeReply(engine, hash, waysOf(engine))),
    query: (id, attempt) =>
      attempt === undefined ? readNewestAttempt(store.sql, id) : readAttempt(store.sql, { id, attempt }),
  }
}

/** As `submit`, inside a write. */
export function submitInside(engine: Engine, task: NewTask): AttemptKey {
  const { sql } = engine.store
  const first = { id: task.id, attempt: 1 }
  // Asked inside the write: of several submits with one key at the same moment, all but the first find it.
  const known = taskOfKey(sql, task.idempotencyKey, task.idempotencyHash)
  if (known !== undefined) return newestKey(sql, known) ?? first
  if (!insertTask(sql, task)) return newestKey(sql, task.id) ?? first
  insertEdges(sql, task.id, task.spec)
  if (task.child) insertChild(sql, { taskId: task.id, ...task.child })
  if (task.member) insertMember(sql, task.id, task.member.group, task.member.key)
  openAttempt(engine, { ...first, attempt: 0, spec: task.spec }, engine.world.clock.now())
  saveFollowers(engine, followersAtSubmit(engine, task))
  return first
}

/** The id of the task that was submitted with the key. Throws IDEMPOTENCY_CONFLICT when `hash` is not of its content. */
export function taskOfKey(sql: Sql, key: string | null, hash: string | null): string | undefined {
  const known = key === null ? undefined : findByIdempotencyKey(sql, key)
  if (!known || known.hash === hash) return known?.id
  const message = `the key "${key}" belongs to task ${known.id}, which asks for something else`
  throw new TdfError('IDEMPOTENCY_CONFLICT', message, { hint: `tdf show ${known.id}` })
}

function start(engine: Engine, id: string, attempt: number, how: Starting = {}): AttemptKey {
  const newest = readNewestAttempt(engine.store.sql, id)
  if (!newest) throw new TdfError('NOT_FOUND', `there is no task ${id}`)
  if (attempt <= newest.attempt) return { id, attempt }
  if (attempt !== newest.attempt + 1 || !isTerminal(newest.status)) {
    throw new TdfError('WRONG_STATE', `task ${id} is ${newest.status} in attempt ${newest.attempt}`, {
      hint: `tdf cancel ${id}`,
    })
  }
  openAttempt(engine, newest, engine.world.clock.now(), how.resume ? { resume: resumeByFirst(newest) } : {})
  return { id, attempt }
}

function goOn(engine: Engine, id: string, request: ContinueRequest): AttemptKey {
  const last = readNewestAttempt(engine.store.sql, id)
  if (!last) throw new TdfError('NOT_FOUND', `there is no task ${id}`)
  const known = knownContinue(engine, last, request)
  if (known) return known
  if (last.facts.paused && !isTerminal(last.status)) return raise(engine, last, request)
  if (last.step !== 'awaiting_followup' || isTerminal(last.status)) return openContinued(engine, last, request)
  refuseChange(id, request)
  const { key: deliveryId, change } = request
  receive(engine, { kind: 'followup', taskId: id, deliveryId, text: change.prompt })
  return { id, attempt: last.attempt }
}

/** A task that rests for its money is one that goes on: its limit is raised, and it has the rest of the conversation. */
function raise(engine: Engine, last: ReadTask, request: ContinueRequest): AttemptKey {
  const { id, attempt, usage } = last
  const spentUsd = spentBefore(engine.store.sql, last) + (usage?.costUsd ?? 0)
  const maxCostUsd = raisedLimit(last, request, spentUsd)
  const { key: deliveryId, change } = request
  const payload = { text: change.prompt, deliveryId, maxCostUsd }
  enqueueSignal(engine, last, 'followup', `followup:${id}:${deliveryId}:${attempt}`, payload)
  return { id, attempt }
}

function receive(engine: Engine, signal: EngineSignal): CallbackAnswer {
  switch (signal.kind) {
    case 'workspace':
      return receiveSignal(engine, signal.signal)
    case 'cancel':
      return cancelTask(engine, signal.taskId)
    case 'followup':
      return toLive(engine, signal.taskId, 'followup', `followup:${signal.taskId}:${signal.deliveryId}`, {
        text: signal.text,
        deliveryId: signal.deliveryId,
        ...(signal.requestId === undefined ? {} : { requestId: signal.requestId }),
      })
    case 'close':
      return toLive(engine, signal.taskId, 'close', `close:${signal.taskId}`, {})
    case 'request':
      return receiveRequest(engine, signal.workspaceId, signal.request)
    case 'node_ready':
    case 'heartbeat':
      return receiveNodeSignal(engine, signal)
  }
}

const waysOf = (engine: Engine): ReplyWays => ({
  signal: signal => receive(engine, signal),
  goOn: (id, request) => goOn(engine, id, request),
  start: (id, attempt) => start(engine, id, attempt),
})

/** Reaches the task in every step: the inbox has it, and a step that is under way is interrupted. */
function cancelTask(engine: Engine, taskId: string): CallbackAnswer {
  const key = newestKey(engine.store.sql, taskId)
  const answer = toLive(engine, taskId, 'cancel', `cancel:${taskId}:${key?.attempt}`, {})
  if (answer.accepted && key) {
    engine.store.afterCommit(() => engine.loop.interrupt(taskSubject(key), new Error('the task was cancelled')))
  }
  return answer
}

function toLive(
  engine: Engine,
  taskId: string,
  kind: 'cancel' | 'followup' | 'close',
  dedupe: string,
  payload: Record<string, unknown>,
): CallbackAnswer {
  const { sql } = engine.store
  const task = readNewestAttempt(sql, taskId)
  if (!task) return { accepted: false, reason: 'there is no such task' }
  if (isTerminal(task.status)) return { accepted: false, reason: `the task is ${task.status}` }
  const isRepeat = hasSignal(sql, `${dedupe}:${task.attempt}`)
  if (kind === 'followup' && !isRepeat && hasEnded(sql, task)) {
    return { accepted: false, reason: 'its agent has ended and takes no more' }
  }
  enqueueSignal(engine, task, kind, `${dedupe}:${task.attempt}`, payload)
  return { accepted: true }
}

/** No session of the attempt will come that could be given a follow-up: the work is on its way home, or is about to be. */
function hasEnded(sql: Sql, task: ReadTask): boolean {
  if (task.status === 'parked') return false
  if (task.step === 'salvage' || task.step === 'cleanup') return true
  // After an answer an interactive session waits, so what is sent now is for then.
  if (task.step !== 'running' || task.spec.interactive) return false
  return openSignals(sql, task).some(
    ({ kind, payload }) => kind === 'session_exited' && payload.sessionId === task.sessionId,
  )
}

function receiveNodeSignal(
  engine: Engine,
  signal: Extract<EngineSignal, { kind: 'node_ready' | 'heartbeat' }>,
): CallbackAnswer {
  const { store, world } = engine
  const node = readNode(store.sql, signal.name)
  if (!node || isGone(node)) return { accepted: false, reason: 'the node is gone' }
  const now = world.clock.now()
  const isKnown = node.stateId === null || node.stateId === signal.stateId
  if (signal.kind === 'heartbeat' && isKnown) {
    const { cpuPercent, memoryPercent, diskPercent } = signal
    writeHeartbeat(store.sql, node.name, { at: now, cpuPercent, memoryPercent, diskPercent })
  }
  // Its own word is a reason to look, never proof: the node's journey asks back who it is.
  const needsLook = signal.kind === 'node_ready' || !isKnown || node.status === 'lost'
  if (needsLook) lookAtNode(engine, node.name, now)
  return isKnown ? { accepted: true } : { accepted: false, reason: 'another state of this node is in use' }
}
