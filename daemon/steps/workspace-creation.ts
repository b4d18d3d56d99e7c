/** Places the workspace on the reserved slot, then asks the node's agent to make it. Idempotent by the workspace's id. */
import type { CreateWorkspace } from '../../src/protocol/agent-api.ts'
import type { Task } from '../../src/task.ts'
import type { StepContext, StepHandler } from '../context.ts'
import { advance } from '../outcome.ts'
import { isLost } from './node-state.ts'

export const workspaceCreation: StepHandler<'workspace_ready' | 'node_selection'> = async (ctx, task) => {
  if (task.workspaceId === null || task.nodeName === null) {
    const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
    if (!node || !['ready', 'warm'].includes(node.status)) return advance('node_selection')
    return { kind: 'place', nodeName: node.name }
  }
  if (isLost(ctx, task)) return advance('node_selection')
  const agent = await ctx.agent(task.nodeName)
  const { repo } = task.spec
  await agent.createWorkspace(requestFor(ctx, task, task.workspaceId))
  if (repo.kind === 'bundle') await agent.uploadBundle(task.workspaceId, ctx.bundleFile(repo.sha256))
  return advance('workspace_ready', { workspaceStatus: 'creating' })
}

function requestFor(ctx: StepContext, task: Task, workspaceId: string): CreateWorkspace {
  const { repo, outputBranch, author, setup } = task.spec
  return {
    workspaceId,
    taskId: task.id,
    attempt: task.attempt,
    source:
      repo.kind === 'git'
        ? { kind: 'git', url: repo.url, ref: repo.ref }
        : { kind: 'bundle', ref: repo.ref, sha256: repo.sha256, bytes: repo.bytes },
    outputBranch,
    author,
    setup,
    callback: { token: ctx.callbackToken(task) },
  }
}
