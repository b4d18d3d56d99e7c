/**
 * What the task's user sends while the agent is at work: given to the session that runs, where it takes prompts, else to
 * the next one. A follow-up is used up only when a session ended that certainly had it: it is delivered exactly once.
 */
import type { AgentClient } from '../../src/agent-client.ts'
import { TdfError } from '../../src/errors.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import type { Task } from '../../src/task.ts'
import type { StepContext } from '../context.ts'

export interface Followup {
  /** Of its signal. */
  id: number
  deliveryId: string
  text: string
}

/** What no session was given yet, oldest first. */
export function followups(ctx: StepContext, task: Task): Followup[] {
  const given = task.facts.prompted ?? []
  return all(ctx).filter(({ id }) => !given.includes(id))
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
  return ctx.signals.flatMap(({ id, kind, payload: { text, deliveryId } }) =>
    kind === 'followup' ? [{ id, text: String(text), deliveryId: String(deliveryId ?? id) }] : [],
  )
}
