/** Attempts of a task in words: one line each, and the word that an earlier one is better than the last. An older daemon names none. */
import type { AgentStop, Facts } from '../core/facts.ts'
import type { TaskSpec } from '../core/task.ts'
import type { TaskJson } from '../protocol/control.ts'
import { oneLine } from './sanitize.ts'

type AttemptJson = TaskJson['attempts'][number]
type Known = Pick<AttemptJson, 'attempt' | 'verdict'>
type Tried = Pick<TaskJson, 'id' | 'attempt' | 'status'> & { attempts: readonly Known[] }

/** Beside an attempt that failed: the newest earlier one that was verified, else completed with a change; null without one. */
export function earlierText({ id, attempt, status, attempts = [] }: Tried): string | null {
  if (status !== 'failed' && status !== 'cancelled') return null
  const before = attempts.filter(one => one.attempt < attempt)
  const verified = before.findLast(({ verdict }) => verdict === 'verified')
  const best = verified ?? before.findLast(({ verdict }) => verdict === 'unverified')
  return best ? `attempt ${best.attempt} was ${best.verdict}: tdf pull ${id}@${best.attempt}` : null
}

const PROMPT_CHARS = 60

/** Number, verdict, commit, check, cost, and the first line of what was asked. Null for a task with one attempt. */
export function attemptLines({ attempts = [] }: Pick<TaskJson, 'attempts'>): string | null {
  if (attempts.length < 2) return null
  return attempts.map(attemptLine).join('\n')
}

function attemptLine({ attempt, status, verdict, commit, check, usage, prompt }: AttemptJson): string {
  const parts = [
    `${attempt} ${verdict ?? status}`,
    commit?.slice(0, 12),
    check && `${oneLine(check.command)} (exit ${check.exitCode ?? 'none'})`,
    usage && usage.costUsd !== null ? `$${usage.costUsd.toFixed(2)}` : null,
    oneLine(prompt.split('\n', 1)[0] ?? '').slice(0, PROMPT_CHARS),
  ]
  return parts.filter(Boolean).join('  ')
}

/** Why an agent of a task goes on no more: `claude at its limit until 2026-11-30T14:00:00.000Z`. */
export function stoppedText({ agent, why, until }: Pick<AgentStop, 'agent' | 'why' | 'until'>): string {
  if (why === 'auth') return `${agent} could not log in`
  if (why === 'cannot_start') return `${agent} could not be started`
  return `${agent} at its limit${until === null ? '' : ` until ${new Date(until).toISOString()}`}`
}

/** `claude at its limit until …; goes on with codex.`: null while the agent that was asked for does it. */
export function handedOverText({ agent, firstAgent }: TaskSpec, { stops = [] }: Facts): string | null {
  const stop = stops.findLast(one => one.agent !== agent.name)
  return firstAgent === undefined || stop === undefined ? null : `${stoppedText(stop)}; goes on with ${agent.name}.`
}

/** Who was asked for too and cannot go on; empty when there is nobody. */
export function passedOverText({ fallback }: Pick<TaskSpec, 'fallback'>): string {
  return (fallback?.passedOver ?? []).map(({ agent, reason }) => ` ${agent} is passed over: ${reason}.`).join('')
}

/** Of a task that more than one agent worked on: each, and why it stopped. */
export function agentsText({ agentsUsed = [] }: Pick<TaskJson, 'agentsUsed'>): string | null {
  if (agentsUsed.length < 2) return null
  const words = agentsUsed.map(({ agent, why, until }) =>
    why === null ? agent : stoppedText({ agent, why, until: until === null ? null : Date.parse(until) }),
  )
  return words.join('; then ')
}
