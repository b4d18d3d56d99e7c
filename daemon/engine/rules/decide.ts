/**
 * Every rule about attempts, backoff, deadlines and edges, as one pure function: what a task becomes after an outcome.
 * It reads no clock and throws no dice; both are handed in.
 */
import type { Config } from '../../../src/config/schema/schema.ts'
import { changed } from '../../../src/core/copy-task.ts'
import { TdfError } from '../../../src/core/errors.ts'
import {
  type Facts,
  isTerminal,
  type ResumeFacts,
  type Step,
  type Task,
  workspaceIdOf,
} from '../../../src/core/task.ts'
import { patienceMs } from './backoff.ts'
import { end, finish, late, toCleanup } from './ending.ts'
import { journey } from './journey.ts'
import type { Learnt, Outcome } from './outcome.ts'
import {
  cleanupOf,
  earliest,
  enter,
  eventsBetween,
  type Rules,
  resumeFrom,
  type Transition,
  taskEvent,
  transition,
  type Write,
} from './transition.ts'

/** How often an attempt may lose its slot, and how often its acknowledgement. */
export const LOSSES_MAX = 5

/** Throws BUG when the outcome takes an edge that the tables do not have. */
export function decide(task: Task, outcome: Outcome, rules: Rules): Transition {
  switch (outcome.kind) {
    case 'advance':
      return advanceTo(learn(task, outcome), outcome.to, rules, writesOf(outcome))
    case 'wait':
      return waitFor(learn(task, outcome), outcome, rules)
    case 'park':
      return park(learn(task, outcome), outcome, rules)
    case 'queue':
      return backToQueue(task, rules)
    case 'place':
      return place(task, outcome.nodeName, rules)
    case 'retry':
      return tryAgain(task, outcome.error, rules)
    case 'fail':
      return end(learn(task, outcome), outcome.verdict, outcome.error, rules, writesOf(outcome))
    case 'finish':
      return finish(task, outcome.cleanup, rules)
  }
}

function advanceTo(task: Task, to: Step, rules: Rules, writes: Write[]): Transition {
  if (task.step === null || !Object.hasOwn(journey[task.step].next, to)) {
    throw new TdfError('BUG', `${task.step} → ${to} is no edge of the journey`)
  }
  if (task.step === 'salvage' && to === 'node_selection') return releaseMachine(task, rules, writes)
  if (to === 'node_selection') return loseSlot(task, rules)
  if (to === 'cleanup') return toCleanup(task, rules, writes)
  if (task.step === 'workspace_ready' && to === 'workspace_creation') return dispatchAgain(task, rules, writes)
  return enter(task, to, rules, writes)
}

function waitFor(task: Task, outcome: Extract<Outcome, { kind: 'wait' }>, rules: Rules): Transition {
  const { now } = rules
  const deadlineAt =
    outcome.deadlineMs === undefined
      ? task.deadlineAt
      : earliest(now + outcome.deadlineMs, task.step === 'running' ? task.absoluteAt : null)
  const isLate = deadlineAt !== null && now >= deadlineAt
  // No deadline ends a step before a look at the outside; a silent node ends by its own journey, at `lost_after`.
  const lookUntil = Math.max(rules.epochAt, deadlineAt ?? 0) + rules.config.nodes.lostAfter
  if (isLate && (outcome.looked || now >= lookUntil)) {
    return late({ ...task, waitingFor: outcome.why }, rules, writesOf(outcome))
  }
  const wakeAt = earliest(now + Math.ceil(Math.max(outcome.ms, 0)), isLate ? lookUntil : deadlineAt)
  const next = changed(task, { wakeAt, deadlineAt, waitingFor: outcome.why, updatedAt: now })
  return transition(task, next, writesOf(outcome), rules)
}

function place(task: Task, nodeName: string, rules: Rules): Transition {
  const next: Task = {
    ...task,
    status: 'delegated',
    nodeName,
    workspaceId: workspaceIdOf(task.id, task.attempt, task.placement),
    wakeAt: rules.now,
    updatedAt: rules.now,
  }
  return transition(task, next, [{ kind: 'place', nodeName }], rules, `placed on ${nodeName}`)
}

/** Back to the queue under a new placement, so that the old one never speaks for the new. */
function loseSlot(task: Task, rules: Rules): Transition {
  const lostSlots = (task.facts.lostSlots ?? 0) + 1
  const counted = { ...task, facts: { ...task.facts, lostSlots } }
  if (lostSlots > LOSSES_MAX) {
    return end(counted, 'infrastructure', new TdfError('PLACEMENT_LOST', `the slot was lost ${lostSlots} times`), rules)
  }
  const writes: Write[] = [...cleanupOf(task, 'delete_workspace'), { kind: 'drop_reservation' }]
  const free = { ...counted, placement: task.placement + 1, nodeName: null, workspaceId: null }
  const entered = enter(free, 'node_selection', rules, writes)
  return { ...entered, events: eventsBetween(task, entered.task, rules, 'the slot was lost') }
}

function dispatchAgain(task: Task, rules: Rules, writes: Write[]): Transition {
  const redispatches = (task.facts.redispatches ?? 0) + 1
  const counted = { ...task, facts: { ...task.facts, redispatches } }
  if (redispatches <= LOSSES_MAX) return enter(counted, 'workspace_creation', rules, writes)
  const error = new TdfError('WORKSPACE_GONE', `${task.nodeName} lost the workspace ${redispatches} times`)
  return end(counted, 'infrastructure', error, rules, writes)
}

function tryAgain(task: Task, error: TdfError, rules: Rules): Transition {
  const { now, config } = rules
  // Neither the way home of the work nor what comes after a verdict may end by a failed try.
  const neverEnds = task.step === 'salvage' || isTerminal(task.status)
  if (error.class === 'wait' || neverEnds) {
    const ms = patienceMs(error.retryAfterMs ?? config.runner.retryMaxDelay, now - task.stepEnteredAt)
    return waitFor(task, { kind: 'wait', ms, why: `another try, since ${error.message}`, looked: false }, rules)
  }
  const isLate = task.deadlineAt !== null && now >= task.deadlineAt
  if (error.class === 'permanent' || isLate || task.stepAttempt > config.runner.stepMaxRetries) {
    return end(task, 'infrastructure', error, rules)
  }
  const wakeAt = earliest(now + backoffMs(task.stepAttempt, error, rules), task.deadlineAt)
  const next: Task = {
    ...task,
    stepAttempt: task.stepAttempt + 1,
    wakeAt,
    waitingFor: `try ${task.stepAttempt + 1} of ${config.runner.stepMaxRetries + 1}, since ${error.message}`,
    updatedAt: now,
  }
  const event = taskEvent('task.retry', task, { code: error.code, message: error.message, wakeAt })
  return { ...transition(task, next, [], rules), events: [event], failure: { error, final: false } }
}

/** Full jitter: uniform up to the doubled delay, and never before what the other side asked for. In whole ms. */
export function backoffMs(
  attempt: number,
  error: TdfError | null,
  { config, dice }: { config: Config; dice: number },
): number {
  const { retryBaseDelay, retryMaxDelay } = config.runner
  const ceiling = Math.min(retryBaseDelay * 2 ** Math.min(attempt - 1, 30), retryMaxDelay)
  return Math.ceil(Math.max(dice * ceiling, error?.retryAfterMs ?? 0))
}

const LEARNT = ['parkedUntil', 'facts', 'sessionId', 'result', 'usage', 'verdict'] as const

/**
 * What an outcome says beside its kind, merged into the task. A verdict that fell stays. Mostly it says nothing.
 */
function learn(task: Task, learnt: Learnt): Task {
  if (!LEARNT.some(name => learnt[name] !== undefined)) return task
  return changed(task, {
    parkedUntil: learnt.parkedUntil ?? task.parkedUntil,
    facts: learnt.facts ? { ...task.facts, ...learnt.facts } : task.facts,
    sessionId: learnt.sessionId ?? task.sessionId,
    result: learnt.result ?? task.result,
    usage: learnt.usage ?? task.usage,
    verdict: isTerminal(task.status) ? task.verdict : (learnt.verdict ?? task.verdict),
  })
}

function writesOf(learnt: Learnt): Write[] {
  return learnt.workspaceStatus ? [{ kind: 'workspace_status', status: learnt.workspaceStatus }] : []
}

/**
 * Parked: a task that rests until its agent may go on. It keeps its workspace, or, when its machine costs more than a
 * new one, brings the work home first and goes back to the queue later, with tree and conversation. Pure.
 */

/** Tasks that rest for the same limit come back one after the other, within a tenth of the rest, at most this. */
const SPREAD_MS_MAX = 120_000

export function park(task: Task, outcome: Extract<Outcome, { kind: 'park' }>, rules: Rules): Transition {
  const { resetAt, release, error } = outcome
  const spreadMs = Math.min(SPREAD_MS_MAX, Math.max(resetAt - rules.now, 0) / 10)
  const parkedUntil = resetAt + Math.round(rules.dice * spreadMs)
  const facts = { ...task.facts, parkedAt: rules.now, parks: (task.facts.parks ?? 0) + 1 }
  const resting: Task = { ...task, status: 'parked', parkedUntil, facts }
  const limit: Write = { kind: 'limit', until: resetAt }
  const after = enter(resting, release ? 'salvage' : 'agent_session', rules, [limit])
  const next = release ? after.task : { ...after.task, wakeAt: parkedUntil }
  return { ...after, task: next, events: eventsBetween(task, next, rules, error.message) }
}

/** The work is at home: the machine is given back, and what comes next starts from our copy of the work. */
export function releaseMachine(task: Task, rules: Rules, writes: Write[]): Transition {
  const { facts } = task
  const parkedUntil = task.parkedUntil ?? rules.now
  const resting: Task = {
    ...task,
    status: 'parked',
    placement: task.placement + 1,
    nodeName: null,
    workspaceId: null,
    facts: { ...facts, saved: false, ...(facts.salvage ? movedTo(task, resumeFrom(task, facts.salvage)) : {}) },
  }
  const undoing = [...cleanupOf(task, 'stop_workspace', 'delete_workspace'), { kind: 'drop_reservation' } as const]
  const after = enter(resting, 'node_selection', rules, [...writes, ...undoing])
  const next: Task = { ...after.task, status: 'parked', parkedUntil, wakeAt: parkedUntil, deadlineAt: null }
  return { ...after, task: next, events: eventsBetween(task, next, rules, 'its machine was released') }
}

/** A conversation that stays behind is over. */
function movedTo({ facts: { session } }: Task, resume: ResumeFacts): Facts {
  return { resume, ...(session ? { session: { ...session, resumeRef: resume.resumeRef } } : {}) }
}

export function backToQueue(task: Task, rules: Rules): Transition {
  const after = enter(task, 'node_selection', rules, [])
  return { ...after, events: eventsBetween(task, after.task, rules, 'it may go on') }
}
