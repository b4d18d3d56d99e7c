/**
 * What becomes of a task whose agent is at its limit: it rests, or another agent goes on, in the same workspace or from the
 * saved work. Each agent counts as limited until its own reset, so none is tried twice before that.
 */

import type { AgentSpec, FallbackSpec } from '../../../src/core/agent.ts'
import { credentialOf, secretMissing } from '../../../src/core/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { AgentStop, Facts } from '../../../src/core/facts.ts'
import { agentsOf, doneBy, nextSession, type ResumeFacts, type Task } from '../../../src/core/task.ts'
import type { Outcome } from './outcome.ts'
import {
  CARRIED,
  type DecisionInput,
  enter,
  eventsBetween,
  resumeOf,
  type Transition,
  taskEvent,
  type Write,
} from './transition.ts'

export interface Choice {
  agent: AgentSpec
  /** From when on it may go on, Unix ms. */
  at: number
}

export interface Offers {
  now: number
  /** Until when the account of an agent has nothing left, Unix ms; null when it has. */
  limitOf(agent: AgentSpec): number | null
  /** Whether all that the agent needs is there. */
  isReady(agent: AgentSpec): boolean
}

/**
 * Who goes on, and from when: the agent that was asked for where its limit is lifted within `afterMs`, else the first other
 * one that is free, else whoever is free first. Null when nobody can.
 */
export function choose(task: Task, { afterMs }: FallbackSpec, { now, limitOf, isReady }: Offers): Choice | null {
  const [first] = agentsOf(task.spec)
  const choices = agentsOf(task.spec)
    .filter(agent => isReady(agent) && !isOut(task.facts, agent))
    .map(agent => ({ agent, at: Math.max(limitOf(agent) ?? 0, now) }))
  const soon = choices.find(({ agent, at }) => agent === first && at - now <= afterMs)
  const [soonest = null] = [...choices].sort((one, other) => one.at - other.at)
  return soon ?? choices.find(({ at }) => at <= now) ?? soonest
}

/** The agent that is at work goes on as long as it may; one that rests gives way to the one that was asked for. */
export function chooseNext(task: Task, offers: Offers): Choice | null {
  const { agent, fallback } = task.spec
  const at = Math.max(offers.limitOf(agent) ?? 0, offers.now)
  if (!fallback) return { agent, at }
  const mayStay = !task.facts.parkedAt && at <= offers.now && offers.isReady(agent) && !isOut(task.facts, agent)
  return mayStay ? { agent, at } : choose(task, fallback, offers)
}

/** Whether the agent has stopped for something that no time mends. */
const isOut = ({ stops = [] }: Facts, { name }: AgentSpec) =>
  stops.some(({ agent, until }) => agent === name && until === null)

/** The last stop of each agent, this one the newest. */
export function withStop({ stops = [] }: Facts, stop: AgentStop): AgentStop[] {
  return [...stops.filter(({ agent }) => agent !== stop.agent), stop]
}

/** By name, everybody who has had a session of the attempt, the one that goes on last. */
export function workersOf({ spec, facts }: Pick<Task, 'spec' | 'facts'>): string[] {
  const before = (facts.stops ?? []).flatMap(({ agent, session }) => (session === null ? [] : [agent]))
  return [...before.filter(name => name !== spec.agent.name), spec.agent.name]
}

/** Whether an agent has done something in this attempt before another one goes on. */
export const hasBegun = ({ facts: { stops, acts = 0 } }: Pick<Task, 'facts'>) => stops !== undefined && acts > 0

/** What may be chosen from, by what a step is handed. */
export const offersOf = ({ now, limitOf, secrets }: Surroundings): Offers => ({
  now,
  limitOf,
  isReady: agent => secretMissing(agent, secrets) === undefined,
})

interface Surroundings extends Pick<Offers, 'now' | 'limitOf'> {
  secrets(names: readonly string[]): Record<string, string>
}

/** Another agent goes on at once. Its session is settled here, so that a start that was cut off is repeated with the same one. */
export function handOver(
  task: Task,
  { to, stop, error }: Extract<Outcome, { kind: 'hand_over' }>,
  input: DecisionInput,
): Transition {
  const agent = agentsOf(task.spec).find(({ name }) => name === to)
  if (!agent) throw new TdfError('BUG', `${to} is no agent of task ${task.id}`)
  const stops = withStop(task.facts, stop)
  const facts = { ...task.facts, stops, agent: to, parks: (task.facts.parks ?? 0) + 1, ...passedOn(task, agent) }
  const chosen = nextSession({ ...task, facts }).id
  const handed: Task = { ...task, spec: doneBy(task.spec, to), facts: { ...facts, chosen } }
  const after = enter(handed, 'agent_session', input, limitOf(task, stop))
  const data = { from: stop.agent, to, why: stop.why, until: stop.until, reason: error.message }
  const events = [taskEvent('task.agent', after.task, data), ...eventsBetween(task, after.task, input)]
  return { ...after, events }
}

function limitOf({ spec }: Task, { until }: AgentStop): Write[] {
  return until === null ? [] : [{ kind: 'limit', credential: credentialOf(spec), until }]
}

/**
 * The conversation goes along to an agent that speaks the same. Any other begins a new one, or goes on with the one that it
 * left, when nobody has done anything since.
 */
function passedOn({ spec, facts, nodeName }: Task, to: AgentSpec): Partial<Facts> {
  const from = spec.agent
  if (speaksTheSame(from, to)) return {}
  const { acts = 0, session, resume } = facts
  const own = { resumeRef: session?.resumeRef ?? resume?.resumeRef ?? null, acts, nodeName }
  const back = facts.left?.[to.name]
  const isWhole = back?.acts === acts && (CARRIED.includes(to.type) || back.nodeName === nodeName)
  const resumeRef = isWhole ? back.resumeRef : null
  return {
    left: { ...facts.left, [from.name]: own },
    ...(session ? { session: { ...session, resumeRef } } : {}),
    ...(resume ? { resume: { ...resume, resumeRef } } : {}),
  }
}

/** For the next attempt of a task, which begins with the agent that was asked for. Throws NO_RESULT. */
export function resumeByFirst(task: Task): ResumeFacts {
  const resume = resumeOf(task)
  const { agent, firstAgent } = task.spec
  return firstAgent && !speaksTheSame(agent, firstAgent) ? { ...resume, resumeRef: null } : resume
}

function speaksTheSame(from: AgentSpec, to: AgentSpec): boolean {
  if (from.type !== to.type) return false
  return CARRIED.includes(to.type) || from.command.join(' ') === to.command.join(' ')
}

/** Tasks that rest for the same limit come back one after the other, within a tenth of the rest, at most this. */
const SPREAD_MS_MAX = 120_000

/**
 * A parked task rests until its agent may go on. It keeps its workspace, or, when its machine costs more than a new one,
 * brings the work home first and goes back to the queue later, with tree and conversation.
 */
export function park(task: Task, outcome: Extract<Outcome, { kind: 'park' }>, input: DecisionInput): Transition {
  const { resetAt, release, error, rest, isKnown } = outcome
  const until = rest?.until ?? resetAt
  const spreadMs = Math.min(SPREAD_MS_MAX, Math.max(until - input.now, 0) / 10)
  const parkedUntil = until + Math.round(input.jitter * spreadMs)
  const stops = rest ? { stops: withStop(task.facts, rest.stop) } : {}
  // One rest may follow another without a run between them: none of it is part of the run.
  const parkedAt = task.facts.parkedAt ?? input.now
  const facts = { ...task.facts, ...stops, parkedAt, parks: (task.facts.parks ?? 0) + 1 }
  const resting: Task = { ...task, status: 'parked', parkedUntil, facts }
  const limit: Write = { kind: 'limit', credential: credentialOf(task.spec), until: resetAt }
  // A budget is no limit of a credential.
  const writes = facts.paused || isKnown ? [] : [limit]
  const after = enter(resting, release ? 'salvage' : 'agent_session', input, writes)
  const next = release ? after.task : { ...after.task, wakeAt: parkedUntil }
  return { ...after, task: next, events: eventsBetween(task, next, input, error.message) }
}
