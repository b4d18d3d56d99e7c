/** Starts the agent with its prompt, or its conversation anew; not before its credential may be used. */

import type { AgentSpec } from '../../src/core/agent.ts'
import { TdfError } from '../../src/core/errors.ts'
import type { AgentStop } from '../../src/core/facts.ts'
import { agentsOf, nextSession, type Task } from '../../src/core/task.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { restFor } from '../engine/rules/budgets.ts'
import { chooseNext, hasBegun, offersOf } from '../engine/rules/handing-over.ts'
import { fail, type Outcome, wait } from '../engine/rules/outcome.ts'
import { followups } from './followup.ts'
import { isLost, nodeLost } from './node.ts'
import { conversationOf, isGivenBack, isLongRest, paceUntil, startSession } from './session.ts'
import type { StepContext, StepHandler } from './step.ts'

export const agentSession: StepHandler<'running'> = async (ctx, task) => {
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  // A start that was cut off is repeated with the agent that was settled then, whatever became of its limit.
  if (task.facts.chosen !== nextSession(task).id) {
    const choice = chooseNext(task, offersOf(ctx))
    if (choice === null) return nobodyGoesOn(task)
    const rest = restUntil(ctx, task, choice.at)
    const isOther = choice.agent.name !== task.spec.agent.name
    if ((rest !== null || isOther) && !(await isStarted(ctx, task))) {
      return rest === null ? handedTo(ctx, task, choice.agent) : waitForLimit(ctx, task, rest, choice.agent.name)
    }
  }
  // What runs is looked at by itself. A budget that was used up since the slot was given lets nothing begin.
  const held = task.status === 'in_progress' ? null : ctx.budgetHold(task, 0)
  if (held && !(await isStarted(ctx, task))) return restFor(held)
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

/**
 * Whether the session is on its node already: its start may have been cut off between the call and the row. What runs there is
 * neither told to rest, nor followed by another agent in the same files.
 */
async function isStarted(ctx: StepContext, task: Task): Promise<boolean> {
  const { nodeName, workspaceId, status } = task
  if (nodeName === null || workspaceId === null || status === 'parked') return false
  return (await (await ctx.agent(nodeName)).session(workspaceId, nextSession(task).id)) !== null
}

/** A plain command is given its prompt and nothing else. */
function promptOf(task: Task): string {
  const { spec, facts, continued } = task
  if (conversationOf(task) !== null) {
    if (continued === null) return GO_ON
    // The conversation may have been cut off before it had the words.
    const isTold = facts.session !== undefined || facts.resume?.ref !== continued.from.ref
    return isTold ? `${GO_ON} ${ASKED_LAST}\n\n${spec.prompt}` : spec.prompt
  }
  const isBegun = (facts.resume !== undefined && !facts.resume.isBase) || facts.rejected === true || hasBegun(task)
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

/** When an agent may go on; null when it may now. */
function restUntil(ctx: StepContext, task: Task, freeAt: number): number | null {
  const until = Math.max(freeAt, task.status === 'parked' ? (task.parkedUntil ?? 0) : 0)
  return until > ctx.now ? until : null
}

/** The agent that is limited has had no session since it stopped, or none at all. */
function handedTo(ctx: StepContext, task: Task, to: AgentSpec): Outcome<never> {
  const { agent: before } = task.spec
  const { name } = before
  const { stops = [] } = task.facts
  const known = stops.find(({ agent }) => agent === name)
  const until = ctx.limitOf(before) ?? ctx.now
  const stop: AgentStop = known ?? { agent: name, why: 'usage_limit', until, session: null }
  const error = new TdfError('USAGE_LIMIT', `${name} goes on no more (${stop.why.replace('_', ' ')})`)
  return { kind: 'hand_over', to: to.name, stop, error }
}

/** Each lacks a secret, or has stopped for something that no time mends. */
function nobodyGoesOn({ id, spec, facts: { stops = [] } }: Task): Outcome<never> {
  const reasons = agentsOf(spec).map(({ name }) => {
    const stop = stops.find(({ agent }) => agent === name)
    return `${name} (${stop ? stop.why.replace('_', ' ') : 'its secret is not set'})`
  })
  return fail(new TdfError('CANNOT_START', `no agent of ${id} can go on: ${reasons.join(', ')}`), 'agent_error')
}

/** Others have met the limit, or it lasts longer than it seemed to when the task began to rest here: no slot is kept for that. */
function waitForLimit(ctx: StepContext, task: Task, until: number, name: string): Outcome<never> {
  const release = isGivenBack(ctx, task, until)
  const rests = release || (task.status !== 'parked' && isLongRest(ctx, until))
  if (task.spec.autoResume === false || !rests) return waitFor(ctx, task, until, taskWaits.usageLimit(name))
  const error = new TdfError('USAGE_LIMIT', `${name} is at its usage limit`)
  return { kind: 'park', resetAt: until, release, isKnown: true, error }
}

function waitFor(ctx: StepContext, task: Task, until: number, why: string): Outcome<never> {
  if (task.status === 'parked') return wait(until - ctx.now, why, { parkedUntil: until })
  return wait(until - ctx.now, why, { deadlineMs: until - ctx.now + ctx.config.runner.dispatchTimeout })
}
