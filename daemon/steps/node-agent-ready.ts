/** Waits until the node's agent has proved who it is; the node's journey asks it and wakes this task. */
import type { StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'

const SERVES = ['ready', 'warm']
const COMES = ['booting', 'creating', 'ordered']

export const nodeAgentReady: StepHandler<'workspace_creation' | 'node_selection'> = async ctx => {
  const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
  if (node && SERVES.includes(node.status)) return advance('workspace_creation')
  if (!node || !COMES.includes(node.status)) return advance('node_selection')
  return wait(ctx.config.runner.agentPollInterval, node.waitingFor ?? `the agent of ${node.name}`)
}
