/** Places the workspace on the reserved slot, then asks the node's agent to make it. Idempotent by the workspace's id. */
import { TdfError } from '../../src/errors.ts'
import type { CreateWorkspace } from '../../src/protocol/agent-api.ts'
import type { Task } from '../../src/task.ts'
import type { StepContext, StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'
import { trailerOf } from './attribution.ts'
import { confinement } from './confinement.ts'
import { isLost } from './node-state.ts'
import { repositorySetup } from './repository-setup.ts'

const INSTALL_TIMEOUT_MS = 15 * 60_000

export const workspaceCreation: StepHandler<'workspace_ready' | 'node_selection'> = async (ctx, task) => {
  if (task.workspaceId === null || task.nodeName === null) {
    const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
    if (!node || !['ready', 'warm'].includes(node.status)) return advance('node_selection')
    return { kind: 'place', nodeName: node.name }
  }
  if (isLost(ctx, task)) return advance('node_selection')
  const { resume } = task.facts
  if (resume && !resume.source) {
    const source = await ctx.results.pack(task, resume)
    return wait(0, 'its saved work to be packed', { facts: { resume: { ...resume, source } } })
  }
  const agent = await ctx.agent(task.nodeName)
  const confined = await confinement(ctx, task.nodeName, agent)
  const file = fileOf(ctx, task)
  try {
    await agent.createWorkspace({ ...requestFor(ctx, task, task.workspaceId), ...confined })
    if (file !== null) await agent.uploadBundle(task.workspaceId, file)
  } catch (thrown) {
    // It was made and deleted there before, and a restored database does not know: under that name there never is another.
    if (thrown instanceof TdfError && thrown.code === 'WORKSPACE_GONE') return advance('node_selection')
    throw thrown
  }
  return advance('workspace_ready', { workspaceStatus: 'creating' })
}

function requestFor(ctx: StepContext, task: Task, workspaceId: string): CreateWorkspace {
  const { outputBranch, author, setup, agent } = task.spec
  const { config } = ctx
  const node = task.nodeName === null ? undefined : ctx.node(task.nodeName)
  const trailer = trailerOf(config.results.trailer, task)
  return {
    workspaceId,
    taskId: task.id,
    attempt: task.attempt,
    source: sourceOf(task),
    outputBranch,
    author,
    setup,
    callback: { token: ctx.callbackToken(task) },
    ...(agent.install ? { install: { command: agent.install, timeoutMs: INSTALL_TIMEOUT_MS } } : {}),
    ...repositorySetup(config.runner, task.spec, node),
    ...(trailer === null ? {} : { trailer }),
  }
}

/** What was asked for, or the saved work from which the task goes on. */
function sourceOf({ spec: { repo }, facts: { resume } }: Task): CreateWorkspace['source'] {
  if (resume?.source) return { kind: 'bundle', ref: resume.ref, ...resume.source }
  if (repo.kind === 'git') return { kind: 'git', url: repo.url, ref: repo.ref }
  return { kind: 'bundle', ref: repo.ref, sha256: repo.sha256, bytes: repo.bytes }
}

/** The bundle to upload; null when the node fetches by itself. */
function fileOf(ctx: StepContext, task: Task): string | null {
  const { repo } = task.spec
  if (task.facts.resume) return ctx.results.packFile(task)
  return repo.kind === 'bundle' ? ctx.bundleFile(repo.sha256) : null
}
