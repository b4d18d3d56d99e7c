/** A permission that the agent asks for: its session runs and waits, and so does the task, for its user's word. */
import { TdfError } from '../../src/errors.ts'
import type { Question, Task } from '../../src/task.ts'
import type { StepContext } from '../context.ts'
import { advance, fail, type Outcome, wait } from '../outcome.ts'
import { followups } from './followups.ts'
import { isLost, nodeLost } from './node-state.ts'

const MESSAGE_CHARS_MAX = 4_000

export async function answerQuestion(ctx: StepContext, task: Task, question: Question): Promise<Outcome<'running'>> {
  const { nodeName, workspaceId, sessionId } = task
  if (isLost(ctx, task) || nodeName === null || workspaceId === null || sessionId === null) return nodeLost(ctx, task)
  const [said] = followups(ctx, task)
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
    const error = new TdfError('AGENT_FAILED', `nobody allowed what the agent asked for: ${asText(question)}`)
    return fail(error, 'permission_denied', close ? { uses: [close.id] } : {})
  }
  const agent = await ctx.agent(nodeName)
  const session = await agent.session(workspaceId, sessionId)
  const asks = session?.status === 'running' && session.pendingPermission?.requestId === question.requestId
  return asks
    ? wait(ctx.config.runner.reconcileInterval, `your answer: ${asText(question)}`)
    : advance('running', answered)
}

export const asText = ({ tool, detail }: Question) => `may it use ${tool}${detail ? ` (${detail})` : ''}?`

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
