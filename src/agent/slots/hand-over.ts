/** What a slot's user may reach of a workspace: its work tree and its prompts, and the way there. */
import { chmodSync, chownSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Agent } from '../agent.ts'
import { systemTool } from '../system-tool.ts'
import { type Workspace, workTree } from '../workspaces/workspace.ts'
import { slotOf } from './assign.ts'

const CHOWN_MS = 10 * 60_000

/** Once, when the work tree is built and nothing of the repository has run. Hard links out of it are only objects. */
export async function handOver(agent: Agent, workspace: Workspace): Promise<void> {
  const slot = slotOf(agent, workspace)
  if (!slot) return
  // Who may pass through a folder may not list it; the workspace's own is closed to every other slot.
  for (const folder of [agent.state, join(agent.state, 'workspaces')]) chmodSync(folder, 0o711)
  chownSync(workspace.folder, -1, slot.gid)
  chmodSync(workspace.folder, 0o710)
  const owner = `${slot.uid}:${slot.gid}`
  const tree = workTree(workspace)
  const given = await systemTool('chown', ['-R', '-h', '--', owner, tree], { cwd: '/', timeoutMs: CHOWN_MS })
  if (given.exitCode !== 0) throw new Error(`the work tree cannot be given to ${slot.name}: ${given.stderr.trim()}`)
}

/** The slot's user reads its prompt by path; nobody else gets as far as this folder. */
export function openSessionFolder(agent: Agent, workspace: Workspace, draft: string, prompt: string): void {
  if (!slotOf(agent, workspace)) return
  for (const folder of [join(draft, '..'), draft]) if (existsSync(folder)) chmodSync(folder, 0o711)
  chmodSync(prompt, 0o644)
}
