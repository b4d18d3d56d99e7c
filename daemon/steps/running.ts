/**
 * Follows the agent to its end: by the signal of its exit, else by asking its node every `reconcile_interval`. Ends a run that
 * is idle (no byte and no processor time); a run at its soft limit goes on while it still writes.
 */

import type { AgentSpec } from '../../src/core/agent.ts'
import { credentialOf } from '../../src/core/agent.ts'
import { TdfError } from '../../src/core/errors.ts'
import type { AgentStop } from '../../src/core/facts.ts'
import type { ExitFacts, ProgressFacts, Task } from '../../src/core/task.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { atLimit, beforePause, overBudget } from '../engine/rules/budgets.ts'
import { choose, type Offers, offersOf, withStop } from '../engine/rules/handing-over.ts'
import { advance, fail, type Outcome, type StepPatch, wait } from '../engine/rules/outcome.ts'
import { arrived, followups, give } from './followup.ts'
import { isLost, nodeLost } from './node.ts'
import { commandExit, exitFromSignals, exitOf, exitSignalIds, isGivenBack, patchFrom } from './session.ts'
import type { InlineContext, InlineHandler, StepContext, StepHandler } from './step.ts'
import { type End, endOf } from './verdict.ts'

type Next = 'salvage' | 'awaiting_followup' | 'agent_session'

export const running: StepHandler<Next> = async (ctx, task) => {
  const end = endFromSignals(ctx, task)
  if (end) return end
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  const interval = ctx.config.runner.reconcileInterval
  const lookedAt = task.facts.progress?.lookedAt ?? task.stepEnteredAt
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const dueMs = lookedAt + interval - ctx.now
  // A look that lies ahead was noted by a clock that has been set back since.
  const isRecent = dueMs > 0 && dueMs <= interval
  const isNews = followups(ctx, task).length > 0 && task.facts.session?.steerable !== false
  const isOver = Boolean(task.facts.overSince)
  if (!exitFromSignals(ctx, task.sessionId) && !isLate && isRecent && !isNews && !isOver)
    return wait(dueMs, whyOf(task.facts.session?.retrying))
  return look(ctx, task)
}

/** The exit of a plain command, which says all that there is to know. */
export const endFromSignals: InlineHandler<Next> = (ctx, task) => {
  const told = task.spec.agent.type === 'command' ? exitFromSignals(ctx, task.sessionId) : undefined
  if (!told) return undefined
  const { exitCode, signal } = told
  const facts = { session: { status: 'exited' as const, exitCode, signal, resumeRef: null } }
  return settle(ctx, task, commandExit(told), { facts, uses: exitSignalIds(ctx, task.sessionId) })
}

/** How often an attempt may rest, and how often it may be taken up after an interruption. */
const PARKS_MAX = 20
const RESUMES_MAX = 3
const isTooOften = ({ facts: { parks = 0 } }: Task) => parks >= PARKS_MAX

const REASON_MAX = 200

/** What an agent tries again by itself looks like work from outside. */
function whyOf(retrying: AgentSession['retrying'] | undefined): string {
  if (!retrying) return taskWaits.agentExit()
  const { attempt, reason, since } = retrying
  return taskWaits.agentRetrying(attempt, since, reason.slice(0, REASON_MAX))
}

async function look(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  if (task.nodeName === null || task.workspaceId === null || task.sessionId === null) return nodeLost(ctx, task)
  const agent = await ctx.agent(task.nodeName)
  const session = await agent.session(task.workspaceId, task.sessionId)
  if (session === null) {
    const error = new TdfError('WORKSPACE_GONE', `${task.nodeName} does not know session ${task.sessionId} any more`)
    return fail(error, 'infrastructure')
  }
  const given = await give(ctx, task, agent, session)
  if (session.status === 'exited') {
    const uses = [...arrived(ctx, given, session.undelivered), ...exitSignalIds(ctx, task.sessionId)]
    return settle(ctx, task, exitOf(session), { ...patchFrom(ctx, task, session), uses })
  }
  return goOn(ctx, task, session, given)
}

function goOn(ctx: StepContext, task: Task, session: AgentSession, prompted: number[]): Outcome<Next> {
  const { reconcileInterval, idleTimeout } = ctx.config.runner
  const progress = progressOf(ctx, task, session)
  const idleMs = ctx.now - Math.max(progress.changedAt, ctx.epochAt, task.stepEnteredAt)
  if (idleMs >= idleTimeout) {
    const minutes = Math.round(idleMs / 60_000)
    const error = new TdfError('IDLE_TIMEOUT', `the agent wrote nothing and used no processor for ${minutes} min`)
    return fail(error, 'timeout', { facts: { progress } })
  }
  const patch = patchFrom(ctx, task, session)
  const { pendingPermission, usesTool = false } = session
  const facts = { ...patch.facts, progress, prompted, ...(task.facts.overSince ? { overSince: null } : {}) }
  const paused = atLimit(ctx, task, { ...patch, facts })
  const isBetween = !usesTool || pendingPermission !== null
  if (paused) return (isBetween ? undefined : beforePause(ctx, task, paused, { ...patch, facts })) ?? paused
  if (pendingPermission) {
    const { requestId, tool, detail } = pendingPermission
    return advance('awaiting_followup', { ...patch, facts: { ...facts, question: { requestId, tool, detail } } })
  }
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const stillWrites = ctx.now - progress.outputAt < idleTimeout
  const more = isLate && stillWrites ? { deadlineMs: idleTimeout } : {}
  return wait(Math.min(reconcileInterval, idleTimeout - idleMs), whyOf(session.retrying), { ...patch, facts, ...more })
}

function progressOf(ctx: StepContext, task: Task, session: AgentSession): ProgressFacts {
  const before = task.facts.progress
  const wrote = !before || before.output !== session.lastOutputAt
  const moved = wrote || before.cpuMs !== session.cpuMs
  return {
    lookedAt: ctx.now,
    output: session.lastOutputAt,
    cpuMs: session.cpuMs,
    changedAt: moved ? ctx.now : before.changedAt,
    outputAt: wrote ? ctx.now : before.outputAt,
  }
}

/** What the end of the session means. An interactive task keeps its workspace after a good one and waits for its user. */
function settle(ctx: InlineContext, task: Task, exit: ExitFacts, patch: StepPatch): Outcome<Next> {
  const acts = task.spec.fallback ? { acts: (task.facts.acts ?? 0) + (exit.hasActed === false ? 0 : 1) } : {}
  const known = { ...patch, facts: { ...patch.facts, ...acts, exit, prompted: [] } }
  const end = endOf(task, exit)
  switch (end.kind) {
    case 'well':
      if (isToldMore(ctx, patch))
        return advance('agent_session', { ...known, facts: { ...known.facts, next: 'followup' } })
      return advance(task.spec.interactive ? 'awaiting_followup' : 'salvage', known)
    case 'limit':
      return park(ctx, task, end, known)
    case 'interrupted':
      return goOnAnew(task, end, known)
    case 'ill':
      if (end.verdict === 'budget' && task.spec.atLimit === 'ask' && !isTooOften(task))
        return overBudget(ctx, task, known)
      if (isRejection(task, exit)) return withFilesAlone(task, exit, known)
      return afterLogin(ctx, task, end, known) ?? fail(end.error, end.verdict, known)
  }
}

/** Its agent could not go on with the conversation that it was given: unknown to it, or too long. Once it gets the files alone. */
function isRejection({ facts }: Task, { failure }: ExitFacts): boolean {
  return failure === 'conversation' && facts.rejected !== true
}

function withFilesAlone({ facts: { resume } }: Task, { exitCode, signal }: ExitFacts, patch: StepPatch): Outcome<Next> {
  const session = { status: 'exited' as const, exitCode, signal, resumeRef: null }
  const forgotten = resume ? { resume: { ...resume, resumeRef: null } } : {}
  return advance('agent_session', { ...patch, facts: { ...patch.facts, rejected: true, session, ...forgotten } })
}

/** Whether there are follow-ups that the session that ended has not had. */
function isToldMore(ctx: InlineContext, { uses = [] }: StepPatch): boolean {
  // An answer to a question that is over by now is none.
  return ctx.signals.some(
    ({ id, kind, payload }) => kind === 'followup' && payload.requestId === undefined && !uses.includes(id),
  )
}

/**
 * Another agent goes on where one may, else the task rests until the first of them may. A machine that is paid for is given
 * back when a new one costs less than to wait.
 */
function park(ctx: InlineContext, task: Task, end: Extract<End, { kind: 'limit' }>, patch: StepPatch): Outcome<Next> {
  const { usageLimitRetry, usageLimitMax } = ctx.config.runner
  // A time that has passed says nothing about when it may be tried again.
  const told = end.resetAt ?? 0
  const resetAt = Math.max(told > ctx.now ? told : ctx.now + usageLimitRetry, ctx.limitOf(task.spec.agent) ?? 0)
  const { agent, fallback } = task.spec
  const stop: AgentStop = { agent: agent.name, why: 'usage_limit', until: resetAt, session: task.sessionId }
  const choice = fallback ? choose(task, fallback, besides(ctx, agent, resetAt)) : null
  const until = choice?.at ?? resetAt
  if (choice && until <= ctx.now && !isTooOften(task)) {
    return { kind: 'hand_over', to: choice.agent.name, stop, error: end.error, ...patch }
  }
  if (task.spec.autoResume === false || until - ctx.now > usageLimitMax || isTooOften(task)) {
    return fail(end.error, 'agent_error', patch)
  }
  const release = isGivenBack(ctx, task, until)
  return { kind: 'park', resetAt, release, error: end.error, ...(fallback ? { rest: { until, stop } } : {}), ...patch }
}

/** Offers in which the account of this agent is at its limit. */
function besides(ctx: InlineContext, agent: AgentSpec, until: number): Offers {
  const account = credentialOf({ agent })
  const { limitOf, ...offers } = offersOf(ctx)
  return { ...offers, limitOf: one => (credentialOf({ agent: one }) === account ? until : limitOf(one)) }
}

/** A login that was refused before anything was done is another agent's task, where one is free. */
function afterLogin(ctx: InlineContext, task: Task, end: Extract<End, { kind: 'ill' }>, patch: StepPatch) {
  const { agent, fallback } = task.spec
  if (!fallback || end.error.code !== 'AGENT_AUTH' || patch.facts?.exit?.hasActed !== false) return undefined
  const stop: AgentStop = { agent: agent.name, why: 'auth', until: null, session: task.sessionId }
  const stopped = { ...task, facts: { ...task.facts, stops: withStop(task.facts, stop) } }
  const choice = choose(stopped, fallback, offersOf(ctx))
  if (choice === null || choice.at > ctx.now || isTooOften(task)) return undefined
  return { kind: 'hand_over' as const, to: choice.agent.name, stop, error: end.error, ...patch }
}

/** The machine or its supervisor was ended under the agent: its conversation goes on, where there is one. */
function goOnAnew(task: Task, end: Extract<End, { kind: 'interrupted' }>, patch: StepPatch): Outcome<Next> {
  const resumes = (task.facts.resumes ?? 0) + 1
  const isResumable = Boolean(patch.facts?.session?.resumeRef) && resumes <= RESUMES_MAX
  if (!isResumable) return fail(end.error, end.verdict, patch)
  return advance('agent_session', { ...patch, facts: { ...patch.facts, resumes } })
}
