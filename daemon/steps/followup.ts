/**
 * The task waits for its user. With `--interactive` the session rests and its workspace is kept, until a follow-up, a
 * close or the deadline; with the policy `ask` the session runs and waits for an answer.
 */
import type { AgentClient } from '../../src/clients/agent.ts'
import { TdfError } from '../../src/core/errors.ts'
import { nextSession, type Question, type Task } from '../../src/core/task.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import { questionText, taskWaits } from '../../src/text/waiting.ts'
import { advance, fail, type Outcome, wait } from '../engine/rules/outcome.ts'
import { isLost, nodeLost } from './node.ts'
import { startSession } from './session.ts'
import type { StepContext, StepHandler } from './step.ts'

export const awaitingFollowup: StepHandler<'running' | 'salvage'> = async (ctx, task) => {
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  if (task.facts.question) return answerQuestion(ctx, task, task.facts.question)
  const [followup] = followups(ctx, task)
  if (followup) return startSession(ctx, task, { ...nextSession(task), prompt: followup.text }, { uses: [followup.id] })
  const close = ctx.signals.find(signal => signal.kind === 'close')
  if (close) return advance('salvage', { uses: [close.id] })
  if (task.deadlineAt !== null && ctx.now >= task.deadlineAt) return advance('salvage')
  return wait(ctx.config.runner.followupTimeout, taskWaits.followup())
}

/**
 * A text that the task's user sends: given to the session that runs, where it takes prompts, else to the next one. It is
 * used up only when a session ended that certainly had it, so it is delivered exactly once.
 */
export interface Followup {
  /** Of its signal. */
  id: number
  deliveryId: string
  text: string
  /** It answers this question and is no prompt; null: any, and where there is none it is one. */
  requestId: string | null
}

/** What no session was given yet, oldest first. */
export function followups(ctx: StepContext, task: Task): Followup[] {
  const given = task.facts.prompted ?? []
  return all(ctx).filter(({ id, requestId }) => requestId === null && !given.includes(id))
}

/**
 * Gives them to the session; answers the ids of all that it has taken. Asking again changes nothing, and one that has
 * ended still knows what it took: a prompt whose answer was lost is not given again to the next.
 */
export async function give(ctx: StepContext, task: Task, agent: AgentClient, session: AgentSession): Promise<number[]> {
  const taken = [...(task.facts.prompted ?? [])]
  if (!session.steerable || task.workspaceId === null) return taken
  for (const { id, deliveryId, text } of followups(ctx, task)) {
    try {
      await agent.prompt(task.workspaceId, session.sessionId, deliveryId, text)
      taken.push(id)
    } catch (thrown) {
      // It has just ended, or takes no more: the next session gets it.
      if (thrown instanceof TdfError && thrown.code === 'AGENT_REFUSED') break
      throw thrown
    }
  }
  return taken
}

/** Of what an ended session was `given`: the ids of what had reached its agent. */
export function arrived(ctx: StepContext, given: readonly number[], undelivered: readonly string[]): number[] {
  return all(ctx).flatMap(({ id, deliveryId }) => (given.includes(id) && !undelivered.includes(deliveryId) ? [id] : []))
}

function all(ctx: StepContext): Followup[] {
  return ctx.signals.flatMap(({ id, kind, payload: { text, deliveryId, requestId } }) =>
    kind === 'followup'
      ? [
          {
            ...{ id, text: String(text), deliveryId: String(deliveryId ?? id) },
            requestId: typeof requestId === 'string' ? requestId : null,
          },
        ]
      : [],
  )
}

const MESSAGE_CHARS_MAX = 4_000

/** A permission that the agent asks for: its session and the task wait for the user's answer. */
export async function answerQuestion(ctx: StepContext, task: Task, question: Question): Promise<Outcome<'running'>> {
  const { nodeName, workspaceId, sessionId } = task
  if (isLost(ctx, task) || nodeName === null || workspaceId === null || sessionId === null) return nodeLost(ctx, task)
  const [said] = [...all(ctx).filter(({ requestId }) => requestId === question.requestId), ...followups(ctx, task)]
  const answered = { facts: { question: null } }
  if (said) {
    const agent = await ctx.agent(nodeName)
    const answer = { requestId: question.requestId, ...decisionOf(said.text) }
    await agent.answerPermission(workspaceId, sessionId, answer).catch(ignoreIfOver)
    return advance('running', { ...answered, uses: [said.id] })
  }
  const close = ctx.signals.find(signal => signal.kind === 'close')
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  if (close || isLate) {
    const error = new TdfError('AGENT_FAILED', `the agent was not allowed what it asked for: ${questionText(question)}`)
    return fail(error, 'permission_denied', close ? { uses: [close.id] } : {})
  }
  const agent = await ctx.agent(nodeName)
  const session = await agent.session(workspaceId, sessionId)
  const asks = session?.status === 'running' && session.pendingPermission?.requestId === question.requestId
  return asks
    ? wait(ctx.config.runner.reconcileInterval, taskWaits.permission(questionText(question)))
    : advance('running', answered)
}

/** A word decides; anything else is a no that says why, for the agent to read. */
function decisionOf(text: string): { decision: 'allow' | 'deny'; message?: string } {
  const word = text.trim().toLowerCase()
  if (word === 'allow' || word === 'yes') return { decision: 'allow' }
  if (word === 'deny' || word === 'no') return { decision: 'deny' }
  return { decision: 'deny', message: text.slice(0, MESSAGE_CHARS_MAX) }
}

/** The session has ended, or the question was answered otherwise: the next look sees what became of it. */
function ignoreIfOver(thrown: unknown): void {
  const isOver = thrown instanceof TdfError && (thrown.code === 'AGENT_REFUSED' || thrown.code === 'WORKSPACE_GONE')
  if (!isOver) throw thrown
}
