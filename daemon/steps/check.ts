/** The check that tdf itself runs on the node, after the agent is dead and its work is saved. */
import type { Task } from '../../src/task.ts'
import type { StepContext } from '../context.ts'
import { type Outcome, wait } from '../outcome.ts'
import { checkIdOf } from '../sessions.ts'
import { confinement } from './confinement.ts'
import { exitTold } from './session.ts'

export type Checked = { ended: true; exitCode: number | null } | { ended: false; wait: Outcome<never> }

/** What is added to the check's own limit before salvage counts as late, in ms. */
const CHECK_GRACE_MS = 60_000

/** Starts the check, or looks how it does. Null as exit code: it was ended by a signal or its time limit. */
export async function runCheck(ctx: StepContext, task: Task, command: string): Promise<Checked> {
  const { workspaceId, nodeName, sessionId } = task
  if (workspaceId === null || nodeName === null || sessionId === null) return { ended: true, exitCode: null }
  const id = checkIdOf(sessionId)
  const told = exitTold(ctx, id)
  if (told) return { ended: true, exitCode: told.exitCode }
  const agent = await ctx.agent(nodeName)
  const timeoutMs = ctx.config.runner.checkTimeout
  if (!task.facts.check) {
    await agent.startSession(workspaceId, {
      sessionId: id,
      agent: { type: 'command', command: ['sh', '-c', command], env: ctx.secrets(task.spec.agent.env) },
      prompt: '',
      timeoutMs,
      resumeRef: null,
      ...(await confinement(ctx, nodeName, agent)),
    })
    const facts = { check: { sessionId: id, exitCode: null, ended: false } }
    return { ended: false, wait: wait(1_000, WHY, { facts, deadlineMs: timeoutMs + CHECK_GRACE_MS }) }
  }
  const session = await agent.session(workspaceId, id)
  if (session?.status === 'running') return { ended: false, wait: wait(ctx.config.runner.reconcileInterval, WHY) }
  return { ended: true, exitCode: session?.exitCode ?? null }
}

const WHY = 'the check to end'
