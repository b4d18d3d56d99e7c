/** Sessions of an attempt: how one is started and confined, how its exit arrives, and what it reports. */
import type { AgentClient } from '../../src/clients/agent.ts'
import { secretMissing, valuesFor } from '../../src/core/agent.ts'
import { TdfError } from '../../src/core/errors.ts'
import { conversationOn } from '../../src/core/facts.ts'
import type { ExitFacts, Task } from '../../src/core/task.ts'
import type { AgentSession, Sandbox } from '../../src/protocol/agent-api.ts'
import { type TaskStatusBody, taskStatus } from '../../src/protocol/callbacks.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { overBudget } from '../engine/rules/budgets.ts'
import { hasBegun, withStop, workersOf } from '../engine/rules/handing-over.ts'
import { advance, fail, type Outcome, type StepPatch, wait } from '../engine/rules/outcome.ts'
import { budgetLeft, tally, totalOf } from '../engine/rules/usage.ts'
import { nodeLost } from './node.ts'
import type { InlineContext, StepContext } from './step.ts'

/** Starts a session by one idempotent call; the run counts from the agent's confirmation. */
export async function startSession(
  ctx: StepContext,
  task: Task,
  session: { id: string; prompt: string; followups: number },
  patch: StepPatch = {},
): Promise<Outcome<'running'>> {
  if (task.nodeName === null || task.workspaceId === null) return nodeLost(ctx, task)
  const left = budgetLeft(task, ctx.spentBefore, task.usage)
  if (left !== null && left <= 0) return overBudget(ctx, task)
  const { name, type, command, args, model, env } = task.spec.agent
  const missing = secretMissing({ name, env }, ctx.secrets)
  if (missing) return fail(missing, 'agent_error')
  const agent = await ctx.agent(task.nodeName)
  const resumeRef = conversationOf(task)
  const confined = await confinement(ctx, task.nodeName, agent)
  try {
    const { status } = await agent.startSession(task.workspaceId, {
      sessionId: session.id,
      agent: { type, command, ...(args ? { args } : {}), env: { ...valuesFor(env, ctx.secrets), ...traceOf(task) } },
      prompt: session.prompt,
      timeoutMs: task.spec.timeoutMs ?? ctx.config.runner.absoluteExecution,
      // The node's own watch: it goes on while we are away.
      idleMs: ctx.config.runner.idleTimeout,
      resumeRef,
      ...(model ? { model } : {}),
      ...(left === null ? {} : { maxCostUsd: left }),
      ...(task.spec.permissions ? { permissions: task.spec.permissions } : {}),
      ...(task.spec.maySpawn ? { maySpawn: true as const } : {}),
      ...(await handedOn(ctx, task)),
      ...confined,
    })
    const begun = { status, exitCode: null, signal: null, resumeRef }
    const starts = [...(task.facts.starts ?? []), ctx.now].slice(-STARTS_MAX)
    const facts = { followups: session.followups, session: begun, prompted: [], next: null, starts }
    return advance('running', { ...patch, sessionId: session.id, facts })
  } catch (error) {
    if (error instanceof TdfError && error.code === 'CANNOT_START') return passedOver(task) ?? cannotStart(task, error)
    throw error
  }
}

/** An agent that cannot be started in place of another is no reason to fail: the next one is looked for. */
function passedOver(task: Task): Outcome<never> | undefined {
  const { agent, firstAgent } = task.spec
  if (!firstAgent) return undefined
  const stop = { agent: agent.name, why: 'cannot_start', until: null, session: null } as const
  return wait(0, taskWaits.nextStep(), { facts: { stops: withStop(task.facts, stop), chosen: null } })
}

/** What an agent is given along that takes over from another: who worked on it, and what was said where it cannot know that. */
async function handedOn(ctx: StepContext, task: Task): Promise<{ trailer?: string; transcript?: string }> {
  if (!task.facts.stops) return {}
  const trailer = trailerOf(ctx.config.results.trailer, task)
  const isKnown = conversationOf(task) !== null || task.spec.agent.type === 'command' || !hasBegun(task)
  const transcript = isKnown ? '' : await ctx.transcript()
  return { ...(trailer === null ? {} : { trailer }), ...(transcript === '' ? {} : { transcript }) }
}

/** The trailer of commits of a task: the configured text with `{agent}` and `{task}` filled in; null for an empty text. */
export function trailerOf(text: string, task: Pick<Task, 'id' | 'spec' | 'facts'>): string | null {
  if (text === '') return null
  const names = workersOf(task).map(name => nameIn(task.spec, name).replace(/[^\w.-]/g, '') || 'command')
  return text.replaceAll('{agent}', names.join(', ')).replaceAll('{task}', task.id)
}

/** What stands behind `--` has no name but that of its program. */
const nameIn = ({ agent }: Task['spec'], name: string) =>
  name === 'command' ? (agent.command[0]?.split('/').at(-1) ?? '') : name

/** With the node, and for an agent of the configuration the two ways to a program that is not found there. */
function cannotStart({ nodeName, spec }: Task, { message }: TdfError): Outcome<'running'> {
  const { name } = spec.agent
  const isMissing = /^ENOENT:|: it is not there/.test(message)
  const ways =
    name === 'command'
      ? 'name it with its full path'
      : `give [agents.${name}] a command with a full path, or an install command`
  const text = `node ${nodeName}: ${message}${isMissing ? `; ${ways}` : ''}`
  return fail(new TdfError('CANNOT_START', text, isMissing ? { hint: 'tdf config example' } : {}), 'agent_error')
}

/** How many sessions a task may be given by itself in how many ms, whatever its agent says of limits and ends. */
const STARTS_MAX = 3
const STARTS_MS = 60_000

/** What a new machine with its workspace usually takes: a shorter rest is waited out on the old one. */
const BOOT_MS = 10 * 60_000

export const isLongRest = ({ now }: Pick<InlineContext, 'now'>, until: number) => until - now > BOOT_MS

/** Whether a machine that is paid for is given back for a rest that ends then, Unix ms. */
export function isGivenBack(ctx: Pick<InlineContext, 'now' | 'node'>, { nodeName }: Task, until: number): boolean {
  return ctx.node(nodeName)?.autoProvisioned === true && isLongRest(ctx, until)
}

/** Until when the next session has to wait, Unix ms; null when it may start now. A start in the future was another clock's. */
export function paceUntil(ctx: Pick<InlineContext, 'now'>, { facts }: Task): number | null {
  const recent = (facts.starts ?? []).filter(at => at <= ctx.now && at > ctx.now - STARTS_MS)
  return recent.length < STARTS_MAX ? null : Math.min(...recent) + STARTS_MS
}

function traceOf({ spec }: Task): Record<string, string> {
  return spec.traceparent ? { TRACEPARENT: spec.traceparent } : {}
}

/** The conversation that the next session continues; null when there is none. */
export function conversationOf({ facts, nodeName }: Pick<Task, 'facts' | 'nodeName'>): string | null {
  const { session, resume } = facts
  return session?.resumeRef ?? (resume ? conversationOn(resume, nodeName) : null)
}

/** The exit of session `id`, from a callback or the outbox of its node. */
export function exitFromSignals(ctx: Pick<InlineContext, 'signals'>, id: string | null): TaskStatusBody | undefined {
  for (const { kind, payload } of ctx.signals) {
    if (kind !== 'session_exited') continue
    const body = taskStatus.parse(payload)
    if (body.sessionId === id) return body
  }
  return undefined
}

/** The ids of the signals with the exit of session `id`: once it is acted on, they are used. */
export function exitSignalIds(ctx: Pick<InlineContext, 'signals'>, id: string | null): number[] {
  return ctx.signals.flatMap(signal =>
    signal.kind === 'session_exited' && signal.payload.sessionId === id ? [signal.id] : [],
  )
}

/** What the callback says is all that there is to know about a plain command. */
export function commandExit({ exitCode, signal, errorMessage }: TaskStatusBody): ExitFacts {
  return { exitCode, signal, errorMessage, outcome: 'none', summary: null }
}

export function exitOf(session: AgentSession): ExitFacts {
  const { exitCode, signal, errorMessage, outcome, summary, failure, resetAt, hasActed } = session
  const at = resetAt === null ? Number.NaN : Date.parse(resetAt)
  const told = hasActed === undefined ? {} : { hasActed }
  return { exitCode, signal, errorMessage, outcome, summary, failure, resetAt: Number.isNaN(at) ? null : at, ...told }
}

/** What a look at a session teaches. A conversation that was once known is not forgotten. */
export function patchFrom(ctx: StepContext, task: Task, session: AgentSession): StepPatch {
  const used = usageFrom(ctx, task, session)
  const { status, exitCode, signal } = session
  const resumeRef = session.resumeRef ?? conversationOf(task)
  const { agentVersion, model, retrying } = session
  const about = {
    ...(agentVersion ? { agentVersion } : {}),
    ...(model ? { model } : {}),
    ...(retrying ? { retrying } : {}),
  }
  return {
    ...used,
    facts: {
      ...used.facts,
      session: { ...about, status, exitCode, signal, resumeRef, steerable: session.steerable === true },
    },
  }
}

/** What it has used by now, in the sums of the attempt. */
export function usageFrom(ctx: Pick<StepContext, 'config'>, task: Task, session: AgentSession): StepPatch {
  const usages = tally(task, session, ctx.config.agents[task.spec.agent.name])
  const usage = totalOf(task, usages)
  return { facts: { usages }, ...(usage ? { usage } : {}) }
}

/** The sandbox that goes with a command to its node. Asks the node first: an agent that knows no sandbox would run the command without one. Throws SANDBOX_UNAVAILABLE. */
export async function confinement(
  ctx: StepContext,
  nodeName: string,
  agent: AgentClient,
): Promise<{ sandbox?: Sandbox }> {
  const sandbox = ctx.sandbox(nodeName)
  if (sandbox === null) return {}
  const problem = await agent.sandboxProblem(sandbox.kind)
  if (problem === null) return { sandbox }
  const message = `node ${nodeName} cannot confine what tasks run, as [providers.local] sandbox asks: ${problem}`
  throw new TdfError('SANDBOX_UNAVAILABLE', message)
}
