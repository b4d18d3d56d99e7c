/**
 * Parked: a task that rests until its agent may go on. It keeps its workspace, or, when its machine costs more than a
 * new one, brings the work home first and goes back to the queue later, with tree and conversation. Pure.
 */
import type { Facts, ResumeFacts, Task } from '../src/task.ts'
import type { Outcome } from './outcome.ts'
import { resumeFrom } from './resume.ts'
import { cleanupOf, enter, eventsBetween, type Rules, type Transition, type Write } from './transition.ts'

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
