/** Places the workspace on the reserved slot, then asks the node's agent to make it. Idempotent by the workspace's id. */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { isServing } from '../../src/core/node.ts'
import { agentsOf, nextSession, type Task, type TaskSpec } from '../../src/core/task.ts'
import type { CreateWorkspace } from '../../src/protocol/agent-api.ts'
import { provisioningFailed, workspaceReady as readyBody } from '../../src/protocol/callbacks.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { advance, fail, type Outcome, wait } from '../engine/rules/outcome.ts'
import { bundleOf, sendBundle, sourceOf } from './bundle.ts'
import { isLost, nodeLost } from './node.ts'
import { confinement, trailerOf } from './session.ts'
import type { InlineHandler, StepContext, StepHandler } from './step.ts'

const INSTALL_TIMEOUT_MS = 15 * 60_000

export const workspaceCreation: StepHandler<'workspace_ready' | 'node_selection'> = async (ctx, task) => {
  if (task.workspaceId === null || task.nodeName === null) {
    const node = ctx.node(ctx.reservedNode)
    if (!node || !isServing(node)) return advance('node_selection')
    return { kind: 'place', nodeName: node.name }
  }
  if (isLost(ctx, task)) return advance('node_selection')
  const { resume } = task.facts
  if (resume && !resume.source) {
    const source = await ctx.results.pack(task, resume, ctx.signal)
    return wait(0, taskWaits.packing(), { facts: { resume: { ...resume, source } } })
  }
  if (!resume && !task.facts.source && task.spec.repo.kind === 'bundle') {
    const source = await ctx.sources.whole(task, ctx.signal)
    if (source !== null) return wait(0, taskWaits.packing(), { facts: { source } })
  }
  const bundle = bundleOf(ctx, task)
  try {
    const agent = await ctx.agent(task.nodeName)
    const confined = await confinement(ctx, task.nodeName, agent)
    await agent.createWorkspace({ ...requestFor(ctx, task, task.workspaceId), ...confined })
    if (bundle !== null) await sendBundle(ctx, task, agent, task.workspaceId, bundle)
  } catch (thrown) {
    // It was made and deleted there before, and a restored database does not know: under that name there never is another.
    const { code } = asTdfError(thrown)
    if (code === 'WORKSPACE_GONE') return advance('node_selection')
    // Nothing of the task was there yet. Once the node's own journey knows the new one, the slot counts as lost.
    if (code === 'NODE_REPLACED' && !ctx.signal.aborted)
      return wait(ctx.config.runner.agentPollInterval, taskWaits.nodeAgent(task.nodeName), { looked: false })
    throw thrown
  }
  return advance('workspace_ready', { workspaceStatus: 'creating' })
}

function requestFor(ctx: StepContext, task: Task, workspaceId: string): CreateWorkspace {
  const { outputBranch, author, setup } = task.spec
  const install = installOf(task)
  const { config } = ctx
  const node = ctx.node(task.nodeName)
  const trailer = trailerOf(config.results.trailer, task)
  return {
    workspaceId,
    taskId: task.id,
    attempt: task.attempt,
    source: sourceOf(ctx, task),
    outputBranch,
    author,
    setup,
    callback: { token: ctx.callbackToken(task) },
    ...(install === null ? {} : { install: { command: install, timeoutMs: INSTALL_TIMEOUT_MS } }),
    ...repositorySetup(config.runner, task.spec, node),
    ...(trailer === null ? {} : { trailer }),
  }
}

/** One that may go on in place of another is installed too, as far as that works: it may never be needed. */
function installOf({ spec }: Task): string | null {
  const { install = '' } = spec.agent
  const others = agentsOf(spec).flatMap(one => (one.name === spec.agent.name || !one.install ? [] : [one.install]))
  if (others.length === 0) return install || null
  const own = install === '' ? [] : [`(\n${install}\n) || exit`]
  return [...own, ...others.map(command => `(\n${command}\n) || true`)].join('\n')
}

type Next = 'agent_session' | 'workspace_creation'

const FALLBACK = 'it was built with a fallback'

/**
 * Waits for the ready callback. An early one is already in the inbox; a lost one is made up for by asking the agent
 * every `workspace_ready_poll_interval`, and once more before the deadline counts.
 */
export const workspaceReady: StepHandler<Next> = async (ctx, task) => {
  const answer = workspaceFromSignals(ctx, task)
  if (answer) return answer
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  const pollMs = ctx.config.runner.workspaceReadyPollInterval
  const waitedMs = ctx.now - task.stepEnteredAt
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const why = taskWaits.workspaceReady(task.workspaceId, task.nodeName)
  if (waitedMs < pollMs && !isLate) return wait(pollMs - waitedMs, why)
  return (await ask(ctx, task)) ?? wait(pollMs, why)
}

/** What the callbacks say; the first word counts. */
export const workspaceFromSignals: InlineHandler<Next> = (ctx, task) => {
  const words = ctx.signals.filter(({ kind }) => kind === 'workspace_ready' || kind === 'provisioning_failed')
  const first = words[0]
  if (!first) return undefined
  const uses = words.map(word => word.id)
  if (first.kind === 'workspace_ready') {
    const { status, note } = readyBody.parse(first.payload)
    return ready(task, status === 'running' ? undefined : (note ?? FALLBACK), uses)
  }
  const { errorMessage, isPassing } = provisioningFailed.parse(first.payload)
  return failed(errorMessage, isPassing, uses)
}

async function ask(ctx: StepContext, task: Task): Promise<Outcome<Next> | undefined> {
  if (task.nodeName === null || task.workspaceId === null) return advance('workspace_creation')
  const agent = await ctx.agent(task.nodeName)
  const workspace = await agent.workspace(task.workspaceId)
  if (workspace === null) return advance('workspace_creation')
  if (workspace.status === 'ready') return ready(task, workspace.note)
  // What the bundle builds on was lost there: it is sent again, whole.
  if (workspace.needsBundle) return advance('workspace_creation')
  if (workspace.status === 'creating') return undefined
  const said = workspace.errorMessage ?? `the agent says that the workspace is ${workspace.status}`
  return failed(said, workspace.isPassing)
}

/** `warning`: what of it is not as it was asked for. */
function ready(task: Task, warning: string | undefined, uses: number[] = []): Outcome<Next> {
  return advance('agent_session', {
    uses,
    workspaceStatus: 'ready',
    sessionId: nextSession(task).id,
    ...(warning === undefined ? {} : { facts: { warning } }),
  })
}

function failed(message: string, isPassing = false, uses: number[] = []): Outcome<Next> {
  const code = isPassing ? 'SOURCE_UNAVAILABLE' : 'WORKSPACE_FAILED'
  const error = new TdfError(code, message || 'the agent could not build the workspace')
  return fail(error, 'infrastructure', { uses, workspaceStatus: 'failed' })
}

const TIMEOUT_MS = 20 * 60_000

type Wish = Pick<TaskSpec, 'setup' | 'repositorySetup' | 'repo'>

/**
 * Whether the set-up of the repository's own file runs before the agent. It runs as the agent would, but before it was read by its user. So on a machine of yours it runs from a folder of yours; what
 * was fetched from elsewhere is refused there, in so many words. A machine that was ordered for tasks has nothing else.
 */
export function repositorySetup(
  { repositorySetup: whose }: StepContext['config']['runner'],
  spec: Wish,
  node: Pick<Node, 'autoProvisioned'> | undefined,
): Pick<CreateWorkspace, 'repositorySetup'> {
  if (spec.setup !== null || spec.repositorySetup === false || whose === 'never') return {}
  const isTrusted = whose === 'always' || spec.repo.kind === 'bundle' || node?.autoProvisioned === true
  return { repositorySetup: { policy: isTrusted ? 'run' : 'refuse', timeoutMs: TIMEOUT_MS } }
}
