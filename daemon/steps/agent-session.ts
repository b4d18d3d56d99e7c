/** Starts the agent with its prompt, or its conversation anew; not before its credential may be used. */
import { nextSession, type Task } from '../../src/core/task.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { type Outcome, wait } from '../engine/rules/outcome.ts'
import { followups } from './followup.ts'
import { isLost, nodeLost } from './node.ts'
import { conversationOf, paceUntil, startSession } from './session.ts'
import type { StepContext, StepHandler } from './step.ts'

export const agentSession: StepHandler<'running'> = async (ctx, task) => {
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  const rest = restUntil(ctx, task)
  if (rest !== null) return waitFor(ctx, task, rest, taskWaits.usageLimit(task.spec.agent.name))
  const held = task.status === 'parked' ? ctx.budgetHold(task, 0) : null
  if (held) return wait(Math.min(held.until - ctx.now, BUDGET_LOOK_MS), held.why, { parkedUntil: held.until })
  if (task.status === 'parked' && !ctx.hasRoom(task.nodeName)) {
    return wait(ctx.config.runner.agentPollInterval, taskWaits.slotOn(task.nodeName))
  }
  const [followup] = task.facts.next === 'followup' ? followups(ctx, task) : []
  if (followup) {
    return startSession(ctx, task, { ...nextSession(task), prompt: followup.text }, { uses: [followup.id] })
  }
  const pace = paceUntil(ctx, task)
  if (pace !== null) return waitFor(ctx, task, pace, taskWaits.pace())
  return startSession(ctx, task, { ...nextSession(task), prompt: promptOf(task) })
}

/** A budget may be raised at any time. */
const BUDGET_LOOK_MS = 5 * 60_000

/** A plain command is given its prompt and nothing else. */
function promptOf(task: Task): string {
  const { spec, facts, continued } = task
  if (conversationOf(task) !== null) {
    if (continued === null) return GO_ON
    // The conversation may have been cut off before it had the words.
    const isTold = facts.session !== undefined || facts.resume?.ref !== continued.from.ref
    return isTold ? `${GO_ON} ${ASKED_LAST}\n\n${spec.prompt}` : spec.prompt
  }
  const isBegun = (facts.resume !== undefined && !facts.resume.isBase) || facts.rejected === true
  if (spec.agent.type === 'command' || !isBegun) return spec.prompt
  if (spec.firstPrompt === undefined) return `${spec.prompt}\n\n${BEGUN_BEFORE}`
  const first = spec.firstPrompt.slice(0, FIRST_CHARS_MAX)
  return [spec.prompt, FROM_FILES, ...(first === '' ? [] : [ASKED_FIRST, first])].join('\n\n')
}

/** What an agent is told whose conversation was cut off. */
const GO_ON =
  'Your work on this task was interrupted. Look at what you have done already, then go on until the task is done.'

const ASKED_LAST = 'What you were asked last:'

/** What an agent is told in addition that goes on for another one, or without its conversation. */
const FROM_FILES =
  'This goes on from work that was done before, by a conversation that you do not have. The work is in this folder: look at it first.'
const ASKED_FIRST = 'What was asked at first:'
const FIRST_CHARS_MAX = 64 * 1024

/** What an agent is told in addition that finds the work of another conversation. */
const BEGUN_BEFORE =
  'This task was begun before, and what was done is in this folder. Look at it first, then go on until it is done.'

/** When the credential of the agent may be used again; null when it may now. */
function restUntil(ctx: StepContext, task: Task): number | null {
  const until = Math.max(ctx.limitedUntil ?? 0, task.status === 'parked' ? (task.parkedUntil ?? 0) : 0)
  return until > ctx.now ? until : null
}

function waitFor(ctx: StepContext, task: Task, until: number, why: string): Outcome<never> {
  if (task.status === 'parked') return wait(until - ctx.now, why, { parkedUntil: until })
  return wait(until - ctx.now, why, { deadlineMs: until - ctx.now + ctx.config.runner.dispatchTimeout })
}
