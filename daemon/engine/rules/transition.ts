/** What a decision consists of, and the journal's view of it. Refuses what the tables of edges do not allow. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { AgentType } from '../../../src/core/agent.ts'
import { changed } from '../../../src/core/copy-task.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { EventType, NewEvent } from '../../../src/core/event.ts'
import {
  type CleanupKind,
  isTerminal,
  type ResumeFacts,
  resultRefOf,
  STATUS_EDGES,
  type Status,
  type Step,
  type Task,
} from '../../../src/core/task.ts'
import { rowOf } from './journey.ts'

/** What a decision is made from besides the task and its outcome. */
export interface DecisionInput {
  now: number
  config: Config
  /** Uniform in [0, 1): spreads the retries. */
  jitter: number
  /** When we last began to look at the outside: a start, a gap of the clock, or a reconnection. */
  epochAt: number
}

/** What else is written with the task, each by a function of the store. */
export type Write =
  | { kind: 'place'; nodeName: string }
  | { kind: 'workspace_status'; status: string }
  | { kind: 'cleanup'; items: readonly CleanupKind[]; workspaceId: string; nodeName: string }
  | { kind: 'drop_reservation' }
  | { kind: 'hold_node' }
  | { kind: 'limit'; credential: string | null; until: number }
  | { kind: 'grant' }
  | { kind: 'next_attempt' }
  | { kind: 'push' }

export interface Transition {
  task: Task
  events: NewEvent[]
  writes: Write[]
  /** A failure to put on record; `final` when the attempt ended by it. */
  failure: { error: TdfError; final: boolean } | null
}

/** The task as it enters a step: fresh attempts, a fresh deadline, due at once. */
export function enter(task: Task, to: Step, input: DecisionInput, writes: Write[]): Transition {
  const row = rowOf(to)
  const { now, config } = input
  const isRunning = to === 'running'
  const isStart = isRunning && task.absoluteAt === null
  const absoluteAt = isRunning ? absoluteEnd(task, input) : task.absoluteAt
  const deadlineMs = row.deadlineMs(config, task)
  const status = isTerminal(task.status) ? task.status : (row.status ?? task.status)
  const next = changed(task, {
    status,
    parkedUntil: status === 'parked' ? task.parkedUntil : null,
    facts: isRunning && task.facts.parkedAt ? { ...task.facts, parkedAt: null } : task.facts,
    step: to,
    stepEnteredAt: now,
    stepAttempt: 1,
    wakeAt: now,
    deadlineAt: deadlineMs === null ? null : earliest(now + deadlineMs, isRunning ? absoluteAt : null),
    absoluteAt,
    waitingFor: null,
    startedAt: isStart ? now : task.startedAt,
    updatedAt: now,
  })
  return transition(task, next, writes, input)
}

export function transition(
  before: Task,
  task: Task,
  writes: Write[],
  input: DecisionInput,
  reason?: string,
): Transition {
  return { task, events: eventsBetween(before, task, input, reason), writes, failure: null }
}

export function eventsBetween(before: Task, after: Task, input: DecisionInput, reason?: string): NewEvent[] {
  const events: NewEvent[] = []
  if (before.status !== after.status) {
    const allowed: readonly Status[] = STATUS_EDGES[before.status]
    if (!allowed.includes(after.status)) {
      throw new TdfError('BUG', `${before.status} → ${after.status} is no edge of the status`)
    }
    const why = reason ?? `entered ${after.step}`
    events.push(taskEvent('task.status', after, { from: before.status, to: after.status, reason: why }))
  }
  if (before.step !== after.step) {
    // The wall clock may have been set back meanwhile.
    const ms = Math.max(input.now - before.stepEnteredAt, 0)
    events.push(taskEvent('task.step', after, { from: before.step, to: after.step, ms }))
  }
  return events
}

export function taskEvent(type: EventType, task: Task, data: Record<string, unknown>): NewEvent {
  return { type, taskId: task.id, attempt: task.attempt, nodeName: task.nodeName, step: task.step, data }
}

/** Things to undo outside, if the task has a workspace at all. */
export function cleanupOf(task: Task, ...items: CleanupKind[]): Write[] {
  const { workspaceId, nodeName } = task
  return workspaceId === null || nodeName === null ? [] : [{ kind: 'cleanup', items, workspaceId, nodeName }]
}

/** The limit of a run that nothing extends. Time in which the task was parked is not part of its run. */
function absoluteEnd({ absoluteAt, spec, facts }: Task, { now, config }: DecisionInput): number {
  if (absoluteAt === null) return now + (spec.timeoutMs ?? config.runner.absoluteExecution)
  return facts.parkedAt ? absoluteAt + now - facts.parkedAt : absoluteAt
}

/** The earlier of two times, of which the other may be missing. */
export function earliest(one: number, other: number | null): number {
  return other === null ? one : Math.min(one, other)
}

/** For the next attempt. Throws NO_RESULT when nothing of this one was saved. */
export function resumeOf(task: Task): ResumeFacts {
  const { salvage, usages, resume } = task.facts
  if (!salvage || !task.result) {
    const why = 'nothing of its last attempt was saved, so there is nothing to go on from'
    throw new TdfError('NO_RESULT', `task ${task.id} cannot be resumed: ${why}`, { hint: `tdf retry ${task.id}` })
  }
  return { ...resumeFrom(task, salvage), usages: { ...resume?.usages, ...usages } }
}

/** From which the attempt after a machine's fault goes on: the saved work that this one was asked to resume, if any. */
export function resumedAgain({ id, attempt, facts: { resume } }: Task): ResumeFacts | undefined {
  // What it has saved itself, and the work of other tasks, are looked for anew.
  if (!resume || resume.isBase || resume.ref === resultRefOf(id, attempt)) return undefined
  // The bundle is that of this attempt, and goes with it.
  const { source: _, ...from } = resume
  return from
}

/** Of whose conversations we know where they lie, so that they come along (src/agent/sessions/adapters/conversations.ts). */
export const CARRIED: readonly AgentType[] = ['claude', 'codex']

/** Of any other agent a conversation stays on the node where the agent has kept it. */
function conversationFrom({ spec, nodeName, facts }: Task): Pick<ResumeFacts, 'resumeRef' | 'onlyOn'> {
  const { session, resume } = facts
  if (session?.resumeRef && !CARRIED.includes(spec.agent.type)) {
    return { resumeRef: session.resumeRef, ...(nodeName === null ? {} : { onlyOn: nodeName }) }
  }
  const resumeRef = session?.resumeRef ?? resume?.resumeRef ?? null
  return { resumeRef, ...(resume?.onlyOn === undefined ? {} : { onlyOn: resume.onlyOn }) }
}

/** For the same attempt on another machine. */
export function resumeFrom(task: Task, salvage: NonNullable<Task['facts']['salvage']>): ResumeFacts {
  const { commit, baseCommit, salvaged } = salvage
  const { resume } = task.facts
  return {
    ref: resultRefOf(task.id, task.attempt),
    ...{ commit, baseCommit, salvaged },
    ...conversationFrom(task),
    ...(resume?.usages ? { usages: resume.usages } : {}),
  }
}
