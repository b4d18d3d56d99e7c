/**
 * Brings the work home before anything is undone: ends what still runs, lets the node's agent save it, fetches it into
 * our own repository, and only then lets the verdict of a run that ended well fall. Every try may be repeated, and no
 * failure ends it: at `salvage_timeout` the node is held, a task with its verdict goes on, and one without waits for it.
 */
import type { AgentClient } from '../../src/clients/agent.ts'
import { lastPiece } from '../../src/clients/log-end.ts'
import { valuesFor } from '../../src/core/agent.ts'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { isGone } from '../../src/core/node.ts'
import { checkIdOf, type Facts, isTerminal, pickIdOf, type Task } from '../../src/core/task.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { advance, fail, type Outcome, type StepPatch, wait } from '../engine/rules/outcome.ts'
import { scoreIn } from '../engine/rules/race.ts'
import { bringArtifacts, bringHome } from '../results/bring-home.ts'
import { arrived } from './followup.ts'
import { confinement, usageFrom } from './session.ts'
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
  const session = await endSession(agent, workspaceId, sessionId)
  if (session?.status === 'running') return wait(1_000, taskWaits.agentToStop())
  const { salvage: saved, result, missing } = await bringHome(ctx, task, agent)
  const facts = { salvage: saved, saved: true, kept: missing.length > 0 }
  // It may have come at the last moment or later: the verdict has as much time from here.
  // What it used to its very end: it may have said so when it was told to stop.
  const known = session === null ? {} : usageFrom(ctx, task, session)
  // What its agent was told before it was ended is not told again to the one that goes on.
  const uses = arrived(ctx, task.facts.prompted ?? [], session?.undelivered ?? [])
  const patch = { ...known, uses, facts: { ...known.facts, ...facts } }
  return wait(0, taskWaits.check(), { ...patch, result, deadlineMs: ctx.config.runner.salvageTimeout })
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

/** Asks a session that still runs to end; answers what it was like before. */
async function endSession(agent: AgentClient, workspaceId: string, sessionId: string): Promise<AgentSession | null> {
  const session = await agent.session(workspaceId, sessionId)
  if (session?.status === 'running') await agent.cancelSession(workspaceId, sessionId)
  return session
}

/** The work is on our disk. What is open now is the verdict of a run that ended well, or where a parked one goes on. */
async function settle(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  if (isTerminal(task.status)) return advance('cleanup')
  if (task.status === 'parked') return advance('node_selection')
  const { check, race } = task.spec
  const pick = race?.pick ?? null
  if (check === null && pick === null) return judge(task, null)
  const checked = check === null ? NOTHING : await ranAfter(ctx, task, { kind: 'check', command: check })
  if (!checked.ended) return { ...checked.outcome, facts: checked.facts }
  const isOut = check !== null && checked.exitCode !== 0
  const picked = pick === null || isOut ? NOTHING : await ranAfter(ctx, task, { kind: 'pick', command: pick })
  const facts = { ...checked.facts, ...picked.facts }
  if (!picked.ended) return { ...picked.outcome, facts }
  return afterCheck(ctx, task, checked.exitCode, facts)
}

/**
 * What the check left is home before its verdict falls, since the workspace goes then: reports are worth most where it failed.
 * What cannot be had until the step is late, or never, is named in place of it. `ends`: how check and pick ended.
 */
async function afterCheck(
  ctx: StepContext,
  task: Task,
  exitCode: number | null,
  ends: Partial<Facts>,
): Promise<Outcome<'cleanup'>> {
  const { nodeName, sessionId, facts } = task
  const node = nodeOf(ctx, task)
  if (!node || nodeName === null || sessionId === null || !facts.salvage) return judge(task, exitCode, { facts: ends })
  try {
    const salvage = await bringArtifacts(ctx, task, await ctx.agent(node.name))
    return judge(task, exitCode, { facts: salvage === null ? ends : { ...ends, salvage } })
  } catch (thrown) {
    if (ctx.signal.aborted) throw thrown
    const error = asTdfError(thrown)
    const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
    if (isLate || error.class === 'permanent') {
      const lost = { path: '…', bytes: null, reason: `what the check left was not saved: ${error.message}` }
      const leftOut = [...facts.salvage.leftOut, { ...lost, kind: 'artifact' as const }]
      return judge(task, exitCode, { facts: { ...ends, salvage: { ...facts.salvage, leftOut } } })
    }
    return wait(RETRY_MS, taskWaits.anotherSave(error.message), { facts: ends })
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

/**
 * What tdf itself runs where the work stands, once the agent is dead and its work is saved: the check of the task, then the pick of
 * its race.
 */
interface After {
  kind: 'check' | 'pick'
  command: string
}

/** How it ended, and what is to be remembered of that; else what to do until it has. */
type Ran = { facts: Partial<Facts> } & (
  | { ended: true; exitCode: number | null }
  | { ended: false; outcome: Extract<Outcome<never>, { kind: 'wait' | 'fail' }> }
)

const ID_OF = { check: checkIdOf, pick: pickIdOf }
const NOTHING: Ran = { ended: true, exitCode: null, facts: {} }

/** What is added to the command's own limit before salvage counts as late, in ms. */
const CHECK_GRACE_MS = 60_000

/**
 * Starts the command, or looks how it does: a callback about its end only wakes the task, and what counts is the answer of
 * the node that holds it. Null as exit code: it was ended by a signal or its time limit.
 */
export async function ranAfter(ctx: StepContext, task: Task, { kind, command }: After): Promise<Ran> {
  const { workspaceId, nodeName, sessionId, facts } = task
  const known = facts[kind]
  if (known?.ended) return { ended: true, exitCode: known.exitCode, facts: { [kind]: known } }
  if (workspaceId === null || nodeName === null || sessionId === null) return NOTHING
  if (!nodeOf(ctx, task)) {
    const message = `the work of ${task.id} is saved, but the workspace for its ${kind} is gone`
    const error = new TdfError('WORKSPACE_GONE', message)
    return { ended: false, outcome: { kind: 'fail', error, verdict: 'infrastructure' }, facts: {} }
  }
  const id = ID_OF[kind](sessionId)
  const waits = kind === 'check' ? taskWaits.checkExit() : taskWaits.pickExit()
  const agent = await ctx.agent(nodeName)
  const timeoutMs = ctx.config.runner.checkTimeout
  if (!known) {
    await agent.startSession(workspaceId, {
      sessionId: id,
      agent: { type: 'command', command: ['sh', '-c', command], env: valuesFor(task.spec.agent.env, ctx.secrets) },
      prompt: '',
      timeoutMs,
      resumeRef: null,
      ...(await confinement(ctx, nodeName, agent)),
    })
    const begun = { [kind]: { sessionId: id, exitCode: null, ended: false } }
    const outcome = wait(1_000, waits, { deadlineMs: timeoutMs + CHECK_GRACE_MS })
    return { ended: false, outcome, facts: begun }
  }
  const session = await agent.session(workspaceId, id)
  if (session?.status === 'running') {
    return { ended: false, outcome: wait(ctx.config.runner.reconcileInterval, waits), facts: {} }
  }
  const exitCode = session?.exitCode ?? null
  const score = kind === 'pick' && exitCode === 0 ? { score: await scoreFrom(agent, workspaceId, id) } : {}
  return { ended: true, exitCode, facts: { [kind]: { sessionId: id, exitCode, ended: true, ...score } } }
}

/** No number is longer; what a node gives of a log is bounded. */
const SCORE_BYTES = 4_096

async function scoreFrom(agent: AgentClient, workspaceId: string, sessionId: string): Promise<number> {
  const read = async (after: number) => (await agent.logs(workspaceId, sessionId, after)).bytes
  const { at, piece } = await lastPiece(read)
  const end = await read(Math.max(at + piece.length - SCORE_BYTES, 0))
  return scoreIn(end.toString('utf8'))
}
