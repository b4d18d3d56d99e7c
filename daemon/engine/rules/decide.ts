/**
 * Every rule about attempts, backoff, deadlines and edges, as one pure function: what a task becomes after an outcome.
 * It reads no clock and throws no dice; both are handed in.
 */
import { pollBackoffMs, retryDelayMs } from '../../../src/core/backoff.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { conversationOn, withLimit } from '../../../src/core/facts.ts'
import {
  type Facts,
  isTerminal,
  type ResumeFacts,
  type Step,
  type Task,
  workspaceIdOf,
} from '../../../src/core/task.ts'
import { taskWaits } from '../../../src/text/waiting.ts'
import { block, released, releasing } from './after.ts'
import { cancel, end, finish, late, toCleanup } from './ending.ts'
import { handOver, park } from './handing-over.ts'
import { isEdge } from './journey.ts'
import type { Outcome, StepPatch } from './outcome.ts'
import {
  cleanupOf,
  type DecisionInput,
  earliest,
  enter,
  eventsBetween,
  resumeFrom,
  type Transition,
  taskEvent,
  transition,
  type Write,
} from './transition.ts'

/** How often an attempt may lose its slot, and how often its acknowledgement. */
export const LOSSES_MAX = 5
/** The longest time between two looks at a server that is down. */
const OUTAGE_RETRY_MS_MAX = 5 * 60_000

/** Throws BUG when the outcome takes an edge that the tables do not have. */
export function decide(task: Task, outcome: Outcome, input: DecisionInput): Transition {
  switch (outcome.kind) {
    case 'advance':
      return advanceTo(applyPatch(task, outcome), outcome.to, input, writesOf(outcome))
    case 'wait':
      return tellingOfCheck(task, waitFor(applyPatch(task, outcome), outcome, input))
    case 'park':
      return park(applyPatch(task, outcome), outcome, input)
    case 'hand_over':
      return handOver(applyPatch(task, outcome), outcome, input)
    case 'queue':
      return backToQueue(withNewLimit(applyPatch(task, outcome)), input, outcome.grants ? [{ kind: 'grant' }] : [])
    case 'release':
      return releasing(released({ ...task, facts: { ...task.facts, resume: outcome.base } }, input))
    case 'block':
      return block(task, outcome.blocked, input)
    case 'place':
      return place(task, outcome.nodeName, input)
    case 'retry':
      return tryAgain(task, outcome, input)
    case 'fail':
      return end(applyPatch(task, outcome), outcome.verdict, outcome.error, input, writesOf(outcome))
    case 'cancel':
      return cancel(task, input)
    case 'finish':
      return finish(task, outcome.cleanup, input)
  }
}

function advanceTo(task: Task, to: Step, input: DecisionInput, writes: Write[]): Transition {
  if (task.step === null || !isEdge(task.step, to)) {
    throw new TdfError('BUG', `${task.step} → ${to} is no edge of the journey`)
  }
  if (task.step === 'salvage' && to === 'node_selection') return releaseMachine(task, input, writes)
  if (to === 'node_selection') return loseSlot(task, input)
  if (to === 'cleanup') return toCleanup(task, input, writes)
  if (task.step === 'workspace_ready' && to === 'workspace_creation') return dispatchAgain(task, input, writes)
  return enter(task, to, input, writes)
}

function waitFor(task: Task, outcome: Extract<Outcome, { kind: 'wait' }>, input: DecisionInput): Transition {
  const { now } = input
  const deadlineAt =
    outcome.deadlineMs === undefined
      ? task.deadlineAt
      : earliest(now + outcome.deadlineMs, task.step === 'running' ? task.absoluteAt : null)
  const isLate = deadlineAt !== null && now >= deadlineAt
  // No deadline ends a step before a look at the outside; a silent node ends by its own journey, at `lost_after`.
  const lookUntil = Math.max(input.epochAt, deadlineAt ?? 0) + input.config.nodes.lostAfter
  if (isLate && (outcome.looked || now >= lookUntil)) {
    return late({ ...task, waitingFor: outcome.why }, input, writesOf(outcome))
  }
  const wakeAt = earliest(now + Math.ceil(Math.max(outcome.ms, 0)), isLate ? lookUntil : deadlineAt)
  const next: Task = { ...task, wakeAt, deadlineAt, waitingFor: outcome.why, updatedAt: now }
  return transition(task, next, writesOf(outcome), input)
}

/** The work is home and its check comes next: people see the two apart, though they are one step. */
function tellingOfCheck(before: Task, after: Transition): Transition {
  const { task } = after
  const isSaved = task.facts.saved === true && !before.facts.saved
  if (!isSaved || task.spec.check === null || task.status !== 'in_progress') return after
  const ms = Math.max(task.updatedAt - task.stepEnteredAt, 0)
  return { ...after, events: [...after.events, taskEvent('task.saved', task, { checking: true, ms })] }
}

function place(task: Task, nodeName: string, input: DecisionInput): Transition {
  const next: Task = {
    ...task,
    status: 'delegated',
    nodeName,
    workspaceId: workspaceIdOf(task.id, task.attempt, task.placement),
    wakeAt: input.now,
    updatedAt: input.now,
  }
  return transition(task, next, [{ kind: 'place', nodeName }], input, `placed on ${nodeName}`)
}

/** Back to the queue under a new placement, so that the old one never speaks for the new. */
function loseSlot(task: Task, input: DecisionInput): Transition {
  const lostSlots = (task.facts.lostSlots ?? 0) + 1
  const counted = { ...task, facts: { ...task.facts, lostSlots } }
  if (lostSlots > LOSSES_MAX) {
    return end(counted, 'infrastructure', new TdfError('PLACEMENT_LOST', `the slot was lost ${lostSlots} times`), input)
  }
  const writes: Write[] = [...cleanupOf(task, 'delete_workspace'), { kind: 'drop_reservation' }]
  const free = { ...counted, placement: task.placement + 1, nodeName: null, workspaceId: null }
  const entered = enter(free, 'node_selection', input, writes)
  return { ...entered, events: eventsBetween(task, entered.task, input, 'the slot was lost') }
}

function dispatchAgain(task: Task, input: DecisionInput, writes: Write[]): Transition {
  const redispatches = (task.facts.redispatches ?? 0) + 1
  const counted = { ...task, facts: { ...task.facts, redispatches } }
  if (redispatches <= LOSSES_MAX) return enter(counted, 'workspace_creation', input, writes)
  const error = new TdfError('WORKSPACE_GONE', `${task.nodeName} lost the workspace ${redispatches} times`)
  return end(counted, 'infrastructure', error, input, writes)
}

function tryAgain(task: Task, outcome: Extract<Outcome, { kind: 'retry' }>, input: DecisionInput): Transition {
  const { error, looked = false } = outcome
  const { now, config } = input
  // The server of a repository may be down for a night; nothing is held or paid for meanwhile.
  const isOutage = error.code === 'SOURCE_UNAVAILABLE'
  // Neither the way home of the work nor what comes after a verdict may end by a failed try.
  const neverEnds = task.step === 'salvage' || isTerminal(task.status)
  if (error.class === 'wait' || neverEnds) {
    const ms = pollBackoffMs(error.retryAfterMs ?? config.runner.retryMaxDelay, now - task.stepEnteredAt)
    return waitFor(task, { kind: 'wait', ms, why: taskWaits.anotherTry(error.message), looked }, input)
  }
  const isLate = task.deadlineAt !== null && now >= task.deadlineAt
  const isLast = !isOutage && task.stepAttempt > config.runner.stepMaxRetries
  if (error.class === 'permanent' || isLate || isLast) return end(task, 'infrastructure', error, input)
  const shortMs = retryDelayMs(task.stepAttempt, error, input)
  const delayMs = isOutage ? pollBackoffMs(shortMs, now - task.stepEnteredAt, OUTAGE_RETRY_MS_MAX) : shortMs
  const wakeAt = earliest(now + delayMs, task.deadlineAt)
  const next: Task = {
    ...task,
    stepAttempt: task.stepAttempt + 1,
    wakeAt,
    waitingFor: isOutage
      ? taskWaits.outage(task.stepAttempt, task.stepEnteredAt, error.message)
      : taskWaits.retry(task.stepAttempt + 1, config.runner.stepMaxRetries + 1, error.message),
    updatedAt: now,
  }
  const event = taskEvent('task.retry', task, { code: error.code, message: error.message, wakeAt })
  return { ...transition(task, next, [], input), events: [event], failure: { error, final: false } }
}

const PATCHED = ['parkedUntil', 'facts', 'sessionId', 'result', 'usage', 'verdict'] as const

/** The task with what the outcome says beside its kind. A verdict that fell stays. */
function applyPatch(task: Task, patch: StepPatch): Task {
  // Mostly it says nothing, and a copy of a task costs 1 µs.
  if (!PATCHED.some(name => patch[name] !== undefined)) return task
  return {
    ...task,
    parkedUntil: patch.parkedUntil ?? task.parkedUntil,
    facts: patch.facts ? { ...task.facts, ...patch.facts } : task.facts,
    sessionId: patch.sessionId ?? task.sessionId,
    result: patch.result ?? task.result,
    usage: patch.usage ?? task.usage,
    verdict: isTerminal(task.status) ? task.verdict : (patch.verdict ?? task.verdict),
  }
}

function writesOf(patch: StepPatch): Write[] {
  return patch.workspaceStatus ? [{ kind: 'workspace_status', status: patch.workspaceStatus }] : []
}

/** The work is at home: the machine is given back, and what comes next starts from our copy of the work. */
export function releaseMachine(task: Task, input: DecisionInput, writes: Write[]): Transition {
  const { facts } = task
  const parkedUntil = task.parkedUntil ?? input.now
  const resting: Task = {
    ...task,
    status: 'parked',
    placement: task.placement + 1,
    nodeName: null,
    workspaceId: null,
    facts: { ...facts, saved: false, ...movedFrom(task) },
  }
  const undoing = [...cleanupOf(task, 'stop_workspace', 'delete_workspace'), { kind: 'drop_reservation' } as const]
  const after = enter(resting, 'node_selection', input, [...writes, ...undoing])
  // What a budget holds is looked at anew: it may have been raised meanwhile.
  const wakeAt = facts.paused ? input.now : parkedUntil
  const next: Task = { ...after.task, status: 'parked', parkedUntil, wakeAt, deadlineAt: null }
  return { ...after, task: next, events: eventsBetween(task, next, input, 'its machine was released') }
}

/** What it goes on from elsewhere. One whose agent was never started begins as it would have begun here. */
function movedFrom(task: Task): Facts {
  const { session, resume, salvage } = task.facts
  if (!salvage) return {}
  const { commit, baseCommit, saved = [] } = salvage
  const isUntouched = !session && commit === (resume?.commit ?? baseCommit) && saved.length === 0
  return isUntouched ? {} : movedTo(task, resumeFrom(task, salvage))
}

/** A conversation that stays behind is over. */
function movedTo({ facts: { session } }: Task, resume: ResumeFacts): Facts {
  const resumeRef = conversationOn(resume, null)
  return { resume, ...(session ? { session: { ...session, resumeRef } } : {}) }
}

const withNewLimit = (task: Task): Task => ({ ...task, spec: withLimit(task.spec, task.facts) })

export function backToQueue(task: Task, input: DecisionInput, writes: Write[] = []): Transition {
  const after = enter(task, 'node_selection', input, writes)
  return { ...after, events: eventsBetween(task, after.task, input, 'it may go on') }
}
