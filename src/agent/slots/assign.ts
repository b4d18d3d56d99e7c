/** Which slot a workspace has: given at its creation, kept in its record, free again when the workspace is deleted. */
import type { Agent } from '../agent.ts'
import { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspaces/workspace.ts'
import type { Slot } from './slot.ts'

/** A free slot's name; null on a machine without slots. Throws `not_started`: it may be asked again. */
export function takeSlot(agent: Agent): string | null {
  if (agent.slots.length === 0) return null
  const taken = new Set([...agent.workspaces.values()].map(({ record }) => record.slot))
  const free = agent.slots.find(({ name }) => !taken.has(name) && !agent.slotsInCare.has(name))
  if (free) return free.name
  throw new Refusal('not_started', `all ${agent.slots.length} slots of this node are taken`)
}

/** Who runs the sessions of a workspace, in a home of its own; null: we do. Throws when the slot's user is not among ours any more: its files cannot be given to another. */
export function slotOf(agent: Agent, workspace: Workspace): Slot | null {
  const { slot: name } = workspace.record
  if (name === null) return null
  const slot = agent.slots.find(one => one.name === name)
  if (!slot) throw new Refusal('internal', `slot ${name} of workspace ${workspace.id} is not there any more`)
  return slot
}
