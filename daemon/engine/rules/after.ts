/** Tasks that wait for others: when a predecessor lets its successor go on, and what becomes of that one. Pure. */

import { TdfError } from '../../../src/core/errors.ts'
import type { AfterSpec, Blocked } from '../../../src/core/source.ts'
import { isOver, type ResumeFacts, resultRefOf, type Task } from '../../../src/core/task.ts'
import { taskWaits } from '../../../src/text/waiting.ts'
import { end } from './ending.ts'
import { type DecisionInput, type Transition, taskEvent } from './transition.ts'

/** A task that is held back is looked at again after this time, in ms: what it waits for moves it before. */
export const HELD_LOOK_MS = 24 * 3_600_000

/** Whether the end of a predecessor is what its successor waits for. `gives`: the successor begins from its work. */
export function meets({ if: condition }: AfterSpec, gives: boolean, predecessor: Task): boolean {
  if (!isOver(predecessor) || (gives && workOf(predecessor) === null)) return false
  return condition === 'ended' || predecessor.status === 'completed'
}

/** The saved commit of an attempt and its name in the repository of its source; null when nothing of it was saved. */
export function workOf({ id, attempt, result, facts }: Task): { id: string; ref: string; commit: string } | null {
  return result === null || facts.salvage === undefined
    ? null
    : { id, ref: resultRefOf(id, attempt), commit: result.commit }
}

/** A task that waits for its predecessors: no deadline runs, and no slot is asked for. */
export function heldBack(task: Task, input: Pick<DecisionInput, 'now'>): Task {
  const facts = { ...task.facts, awaits: 'predecessors' as const }
  const waitingFor = taskWaits.predecessors(task.spec.after?.ids ?? [])
  return { ...task, facts, wakeAt: input.now + HELD_LOOK_MS, deadlineAt: null, waitingFor }
}

/** As many of its group go on as may at once. */
export function beforeTurn(task: Task, { now }: Pick<DecisionInput, 'now'>): Task {
  const facts = { ...task.facts, awaits: 'turn' as const, blocked: null }
  return { ...task, facts, wakeAt: now + HELD_LOOK_MS, deadlineAt: null, waitingFor: taskWaits.turn() }
}

/** Its predecessors are done; the commit that it begins from is made next. */
export function beforeBase(task: Task, { now }: Pick<DecisionInput, 'now'>): Task {
  const facts = { ...task.facts, awaits: 'base' as const, blocked: null }
  return { ...task, facts, wakeAt: now, deadlineAt: null, waitingFor: taskWaits.base() }
}

/** Nothing holds it back any more: it asks for a slot, and the time for that begins now. */
export function released(task: Task, { now, config }: Pick<DecisionInput, 'now' | 'config'>): Task {
  const deadlineAt = now + config.runner.queueTimeout
  const facts = { ...task.facts, awaits: null, blocked: null, releasedAt: now }
  const times = { stepEnteredAt: now, wakeAt: deadlineAt, deadlineAt, updatedAt: now }
  return { ...task, ...times, facts, waitingFor: taskWaits.slot() }
}

export const releasing = (task: Task): Transition => ({
  task,
  events: [taskEvent('task.released', task, { after: task.spec.after?.ids ?? [] })],
  writes: [],
  failure: null,
})

/** It waits on, for a person to mend what is in the way. */
export function block(task: Task, blocked: Blocked, input: DecisionInput): Transition {
  const held = heldBack({ ...task, stepAttempt: 1 }, input)
  const next = { ...held, facts: { ...held.facts, blocked }, updatedAt: input.now }
  return { task: next, events: [taskEvent('task.blocked', next, { ...blocked })], writes: [], failure: null }
}

/** A predecessor did not complete, and the task is not wanted without it. */
export function cancelAfter(task: Task, predecessor: Pick<Task, 'id' | 'status'>, input: DecisionInput): Transition {
  const why = `task ${predecessor.id}, which it was to come after, is ${predecessor.status}`
  // What failed is on record once, with the predecessor.
  return { ...end(task, 'cancelled', new TdfError('DEPENDENCY_FAILED', why), input), failure: null }
}

/** What an attempt begins from that goes on from the work of others. */
export const baseFacts = (ref: string, commit: string): ResumeFacts => ({
  ref,
  commit,
  baseCommit: commit,
  salvaged: false,
  resumeRef: null,
  isBase: true,
})
