/**
 * Brings the work home before anything is undone: ends what still runs, lets the node's agent save it, fetches it into
 * our own repository, and only then lets the verdict of a run that ended well fall. Every try may be repeated, and no
 * failure ends it: at `salvage_timeout` the node is held, a task with its verdict goes on, and one without waits for it.
 */
import type { AgentClient } from '../../src/clients/agent.ts'
import { valuesFor } from '../../src/core/environment.ts'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { isGone } from '../../src/core/node.ts'
import { checkIdOf, isTerminal, type Task } from '../../src/core/task.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { advance, fail, type Outcome, type StepPatch, wait } from '../engine/rules/outcome.ts'
import { bringArtifacts, bringHome } from '../results/bring-home.ts'
import { confinement } from './session.ts'
import type { StepContext, StepHandler } from './step.ts'
import { judge } from './verdict.ts'

const RETRY_MS_MAX = 30_000

type Next = 'cleanup' | 'node_selection'

export const salvage: StepHandler<Next> = async (ctx, task) => {
  try {
    return await bring(ctx, task)
  } catch (thrown) {
    if (ctx.signal.aborted) throw thrown
    const error = asTdfError(thrown)
    const sinceMs = ctx.now - task.stepEnteredAt
    const why = taskWaits.anotherSave(error.message)
    return wait(Math.min(1_000 + sinceMs / 2, RETRY_MS_MAX), why, await checkpointed(ctx, task))
  }
}

async function bring(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  if (task.facts.saved) return settle(ctx, task)
  if (task.facts.held && !isTerminal(task.status)) return whileHeld(ctx, task)
  const { workspaceId, sessionId } = task
  const node = nodeOf(ctx, task)
  if (!node || workspaceId === null || sessionId === null) return nothingToSave(ctx, task)
  const agent = await ctx.agent(node.name)
  if ((await agent.workspace(workspaceId)) === null) return nothingToSave(ctx, task)
  const isRunning = await endSession(agent, workspaceId, sessionId)
  if (isRunning) return wait(1_000, taskWaits.agentToStop())
  const { salvage: saved, result, missing } = await bringHome(ctx, task, agent)
  const facts = { salvage: saved, saved: true, kept: missing.length > 0 }
  // It may have come at the last moment or later: the verdict has as much time from here.
  return wait(0, taskWaits.check(), { facts, result, deadlineMs: ctx.config.runner.salvageTimeout })
}

/** Undefined when its machine is gone for good. */
function nodeOf(ctx: StepContext, { nodeName }: Task) {
  const node = nodeName === null ? undefined : ctx.node(nodeName)
  return node && !isGone(node) ? node : undefined
}

/**
 * The work is a cleanup item now, which ends by being home, by being discarded, or with its workspace. Once it is home the
 * task says so: that write overtakes what is answered here.
 */
async function whileHeld(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  const left = await ctx.undo()
  const item = left.find(({ kind, subject }) => kind === 'salvage' && subject === task.workspaceId)
  if (!item) return nothingToSave(ctx, task)
  const why = taskWaits.anotherSave(item.error ?? 'its node does not answer')
  return wait(Math.max(item.dueAt - ctx.now, 1_000), why, await checkpointed(ctx, task))
}

/** Asks a session that still runs to end; true while it has not. */
async function endSession(agent: AgentClient, workspaceId: string, sessionId: string): Promise<boolean> {
  const session = await agent.session(workspaceId, sessionId)
  if (session?.status !== 'running') return false
  await agent.cancelSession(workspaceId, sessionId)
  return true
}

/** The work is on our disk. What is open now is the verdict of a run that ended well, or where a parked one goes on. */
async function settle(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  if (isTerminal(task.status)) return advance('cleanup')
  if (task.status === 'parked') return advance('node_selection')
  if (task.spec.check === null) return judge(task, null)
  const known = task.facts.check
  if (known?.ended) return afterCheck(ctx, task, known.exitCode)
  if (!nodeOf(ctx, task)) {
    const message = `the work of ${task.id} is saved, but the workspace for its check is gone`
    return fail(new TdfError('WORKSPACE_GONE', message), 'infrastructure')
  }
  const checked = await runCheck(ctx, task, task.spec.check)
  return checked.ended ? afterCheck(ctx, task, checked.exitCode) : checked.wait
}

/**
 * What the check left is home before its verdict falls, since the workspace goes then: reports are worth most where it failed.
 * What cannot be had until the step is late, or never, is named in place of it.
 */
async function afterCheck(ctx: StepContext, task: Task, exitCode: number | null): Promise<Outcome<'cleanup'>> {
  const { nodeName, sessionId, facts } = task
  const node = nodeOf(ctx, task)
  if (!node || nodeName === null || sessionId === null || !facts.salvage) return judge(task, exitCode)
  try {
    const salvage = await bringArtifacts(ctx, task, await ctx.agent(node.name))
    return judge(task, exitCode, salvage === null ? {} : { facts: { salvage } })
  } catch (thrown) {
    if (ctx.signal.aborted) throw thrown
    const error = asTdfError(thrown)
    const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
    if (isLate || error.class === 'permanent') {
      const lost = { path: '…', bytes: null, reason: `what the check left was not saved: ${error.message}` }
      const leftOut = [...facts.salvage.leftOut, { ...lost, kind: 'artifact' as const }]
      return judge(task, exitCode, { facts: { salvage: { ...facts.salvage, leftOut } } })
    }
    const check = { sessionId: checkIdOf(sessionId), exitCode, ended: true }
    return wait(RETRY_MS, taskWaits.anotherSave(error.message), { facts: { check } })
  }
}

const RETRY_MS = 5_000

async function nothingToSave(ctx: StepContext, task: Task): Promise<Outcome<'cleanup'>> {
  const patch = await checkpointed(ctx, task)
  if (isTerminal(task.status)) return advance('cleanup', patch)
  const error = new TdfError('WORKSPACE_GONE', `the workspace of ${task.id} is gone with what the agent did in it`)
  return fail(error, 'infrastructure', patch)
}

/** What was saved while the agent still ran is the result, for as long as there is no better one. */
async function checkpointed(ctx: StepContext, task: Task): Promise<StepPatch> {
  if (task.result || task.sessionId === null) return {}
  try {
    const salvage = await ctx.results.takeCheckpoint(task)
    return salvage ? { facts: { salvage }, result: await ctx.results.describe(task, salvage) } : {}
  } catch {
    // Whatever is wrong with it, the work itself is still asked for.
    return {}
  }
}

/** How the check ended that tdf itself runs on the node, after the agent is dead and its work is saved. */
export type Checked = { ended: true; exitCode: number | null } | { ended: false; wait: Outcome<never> }

/** What is added to the check's own limit before salvage counts as late, in ms. */
const CHECK_GRACE_MS = 60_000

/**
 * Starts the check, or looks how it does: a callback about its end only wakes the task, and what counts is the answer of
 * the node that holds it. Null as exit code: it was ended by a signal or its time limit.
 */
export async function runCheck(ctx: StepContext, task: Task, command: string): Promise<Checked> {
  const { workspaceId, nodeName, sessionId } = task
  if (workspaceId === null || nodeName === null || sessionId === null) return { ended: true, exitCode: null }
  const id = checkIdOf(sessionId)
  const agent = await ctx.agent(nodeName)
  const timeoutMs = ctx.config.runner.checkTimeout
  if (!task.facts.check) {
    await agent.startSession(workspaceId, {
      sessionId: id,
      agent: { type: 'command', command: ['sh', '-c', command], env: valuesFor(task.spec.agent.env, ctx.secrets) },
      prompt: '',
      timeoutMs,
      resumeRef: null,
      ...(await confinement(ctx, nodeName, agent)),
    })
    const facts = { check: { sessionId: id, exitCode: null, ended: false } }
    return { ended: false, wait: wait(1_000, taskWaits.checkExit(), { facts, deadlineMs: timeoutMs + CHECK_GRACE_MS }) }
  }
  const session = await agent.session(workspaceId, id)
  if (session?.status === 'running')
    return { ended: false, wait: wait(ctx.config.runner.reconcileInterval, taskWaits.checkExit()) }
  return { ended: true, exitCode: session?.exitCode ?? null }
}
