/** What becomes of a task that has cost what it may: it ends, or its work is saved and it rests until it may cost more. */
import type { Config } from '../../../src/config/schema/config.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { Task } from '../../../src/core/task.ts'
import { taskWaits } from '../../../src/text/waiting.ts'
import { fail, type Outcome, type StepPatch, wait } from './outcome.ts'
import { budgetLeft } from './usage.ts'

/** A budget that is used up until then, Unix ms. */
export interface Hold {
  until: number
  why: string
}

interface Around {
  now: number
  config: Config
  signals: readonly { id: number; kind: string; payload: Record<string, unknown> }[]
  spentBefore: number
  /** What keeps the task from costing more, with `moreUsd` that are not on record yet. */
  budgetHold(task: Task, moreUsd: number): Hold | null
}

/** A look at least so often: a budget may be raised at any time. */
const LOOK_MS = 5 * 60_000

/** What follows for an agent that runs from what it has cost by now; undefined where it goes on. */
export function atLimit(around: Around, task: Task, patch: StepPatch): Outcome<never> | undefined {
  const usage = patch.usage ?? task.usage
  const left = budgetLeft(task, around.spentBefore, usage)
  if (left !== null && left <= 0) return overBudget(around, task, patch)
  if (around.config.budgets.atLimit !== 'pause') return undefined
  const hold = around.budgetHold(task, (usage?.costUsd ?? 0) - (task.usage?.costUsd ?? 0))
  return hold ? restFor(hold, patch) : undefined
}

/** So long an agent may go on with the tool that it uses: a file that is half written is no work. */
const TOOL_MS = 60_000
/** Between two tools there is little time. */
const BOUNDARY_LOOK_MS = 1_000

/**
 * A pause comes between two tools of the agent, where it tells of them; undefined when it comes now. A time that lies ahead was noted
 * by a clock that has been set back since.
 */
export function beforePause(
  { now }: Pick<Around, 'now'>,
  { facts }: Task,
  paused: Outcome<never>,
  patch: StepPatch,
): Outcome<never> | undefined {
  if (paused.kind !== 'park') return undefined
  const overSince = facts.overSince ?? now
  const leftMs = overSince + TOOL_MS - now
  if (leftMs <= 0 || overSince > now) return undefined
  return wait(Math.min(BOUNDARY_LOOK_MS, leftMs), paused.error.message, {
    ...patch,
    facts: { ...patch.facts, overSince },
  })
}

/** It rests until a budget has something left, with its work at home and without its machine. */
export const restFor = (hold: Hold, patch: StepPatch = {}) => pause('window', hold, patch)

/** The task has cost what it may itself: it ends, or asks its user. */
export function overBudget(
  { now, config }: Pick<Around, 'now' | 'config'>,
  task: Task,
  patch: StepPatch = {},
): Outcome<never> {
  if (task.spec.atLimit !== 'ask' || task.facts.granted) return ended(task, patch)
  const why = taskWaits.allowance(Number(task.spec.maxCostUsd), task.id)
  return pause('task', { until: now + config.runner.usageLimitMax, why }, patch)
}

function ended(task: Task, patch: StepPatch = {}): Outcome<never> {
  const limit = Number(task.spec.maxCostUsd).toFixed(2)
  const who = task.spec.race ? `the agent of ${task.id} and the others in its race have` : `the agent of ${task.id} has`
  return fail(new TdfError('BUDGET', `${who} cost more than $${limit}`), 'budget', patch)
}

function pause(by: 'window' | 'task', { until, why }: Hold, patch: StepPatch): Outcome<never> {
  const error = new TdfError('BUDGET', why)
  return { kind: 'park', resetAt: until, release: true, error, ...patch, facts: { ...patch.facts, paused: by } }
}

/** A task that rests until it may cost more, with its work at home. */
export function restPaused(around: Around, task: Task): Outcome<never> {
  const isOwn = task.facts.paused === 'task'
  const raising = isOwn ? around.signals.filter(isRaise) : []
  const uses = [...around.signals.filter(isAllowance), ...raising].map(({ id }) => id)
  if (raising.length > 0) {
    const limitUsd = Math.max(...raising.map(({ payload }) => Number(payload.maxCostUsd)))
    return { kind: 'queue', uses, facts: { paused: null, limitUsd, granted: false } }
  }
  if (uses.length > 0)
    return { kind: 'queue', uses, grants: !isOwn, facts: { paused: null, ...(isOwn ? { granted: true } : {}) } }
  const goOn = { kind: 'queue', facts: { paused: null } } as const
  const hold = isOwn ? ownHold(around, task) : around.budgetHold(task, 0)
  if (hold === null) return goOn
  if (hold.until <= around.now) return ended(task)
  return wait(Math.min(hold.until - around.now, LOOK_MS), hold.why, { parkedUntil: hold.until })
}

function ownHold({ now, spentBefore }: Around, task: Task): Hold | null {
  const left = budgetLeft(task, spentBefore, task.usage)
  if (left === null || left > 0) return null
  return { until: task.parkedUntil ?? now, why: taskWaits.allowance(Number(task.spec.maxCostUsd), task.id) }
}

/** `tdf continue --max-cost`: the limit is another one from now on. */
const isRaise = ({ payload }: { payload: Record<string, unknown> }) => typeof payload.maxCostUsd === 'number'

/** A word of its user that is no prompt, and no answer to what its agent asked: it may cost more. */
export function isAllowance({ kind, payload }: { kind: string; payload: Record<string, unknown> }): boolean {
  const isWord = kind === 'followup' && payload.requestId === undefined
  return isWord && ['allow', 'yes'].includes(String(payload.text).trim().toLowerCase())
}
