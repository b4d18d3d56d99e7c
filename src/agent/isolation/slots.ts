/** Which slot a workspace has: given at its creation, kept in its record, free again when the workspace is deleted. */
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type { World } from '../../platform/world.ts'
import type { CreateWorkspace } from '../../protocol/agent-api.ts'
import type { Agent } from '../agent.ts'
import { messageOf, Refusal } from '../errors.ts'
import { removeTree } from '../state/remove-tree.ts'
import { artifactsFolder, type Workspace, workTree } from '../workspaces/workspace.ts'
import { killLeftovers, processesOf } from './processes.ts'
import type { Slot } from './slot.ts'
import { systemTool } from './system-tool.ts'
import { virtualHome } from './view.ts'

/**
 * A free slot's name; null where sessions run as we do. What root confines gets a slot too: in a sandbox root would be
 * root of the machine. Throws `not_started`: it may be asked again.
 */
export function takeSlot(agent: Agent, { sandbox }: Pick<CreateWorkspace, 'sandbox'>): string | null {
  const isRoot = process.getuid?.() === 0
  const slots = agent.slots.length === 0 && sandbox && isRoot ? virtualSlots(agent) : agent.slots
  if (slots.length === 0) return null
  const taken = new Set([...agent.workspaces.values()].map(({ record }) => record.slot))
  const free = slots.find(({ name }) => !taken.has(name) && !agent.slotsInCare.has(name))
  if (free) return free.name
  throw new Refusal('not_started', `all ${slots.length} slots of this node are taken`)
}

/** Above what systemd and subuid(5) give out; a block of its own for each installation on the machine. */
const VIRTUAL_UID_MIN = 1_900_000_000
const VIRTUAL_BLOCKS = 1 << 20
const VIRTUAL_SLOTS = 64

export function virtualSlots({ identity, env }: Pick<Agent, 'identity' | 'env'>): Slot[] {
  const block = createHash('sha256').update(identity.stateId).digest().readUInt32BE() % VIRTUAL_BLOCKS
  return Array.from({ length: VIRTUAL_SLOTS }, (_, index) => {
    const uid = VIRTUAL_UID_MIN + block * VIRTUAL_SLOTS + index
    return { name: `virtual-${index + 1}`, uid, gid: uid, home: env.HOME || '/', isVirtual: true }
  })
}

function findSlot(agent: Agent, name: string | null): Slot | undefined {
  const virtual = name?.startsWith('virtual-') ? virtualSlots(agent) : []
  return [...agent.slots, ...virtual].find(one => one.name === name)
}

/** Who runs the sessions of a workspace, in a home of its own; null: we do. Throws when the slot's user is not among ours any more: its files cannot be given to another. */
export function slotOf(agent: Agent, workspace: Workspace): Slot | null {
  const { slot: name } = workspace.record
  if (name === null) return null
  const slot = findSlot(agent, name)
  if (!slot) throw new Refusal('internal', `slot ${name} of workspace ${workspace.id} is not there any more`)
  return slot
}

/** The same for what is only looked at: null also when the slot is not there any more. */
export const knownSlotOf = (agent: Agent, { record }: Workspace) => findSlot(agent, record.slot) ?? null

// --- A slot between two workspaces: no process of its user lives, its home is empty, nothing of it lies in /tmp ---

const SHARED_FOLDERS = ['/tmp', '/var/tmp', '/dev/shm']
const LIMITS = { cwd: '/', timeoutMs: 5 * 60_000, outputBytesMax: 64 * 1024 }

/** Every process of the user, wherever it hid. False when some cannot be ended. */
export function endSlot(world: World, slot: Slot): Promise<boolean> {
  return killLeftovers(world, () => processesOf(slot.uid))
}

/** After its workspace is gone. It serves again when it is clean; one that cannot be cleaned serves no more. */
export async function clearSlot(agent: Agent, name: string | null): Promise<void> {
  const slot = findSlot(agent, name)
  if (!slot || agent.slotsInCare.has(slot.name)) return
  agent.slotsInCare.add(slot.name)
  try {
    if (!(await endSlot(agent.world, slot))) throw new Error('processes of its user cannot be ended')
    if (!slot.isVirtual) await emptyHome(slot)
    for (const folder of SHARED_FOLDERS.filter(existsSync)) {
      await systemTool('find', [folder, '-xdev', '-depth', '-user', String(slot.uid), '-delete'], LIMITS)
    }
    agent.slotsInCare.delete(slot.name)
  } catch (error) {
    agent.log('error', 'a slot cannot be cleaned and is not used any more', {
      slot: slot.name,
      reason: messageOf(error),
    })
  }
}

async function emptyHome({ home, uid, gid }: Slot): Promise<void> {
  if (existsSync(home)) for (const name of readdirSync(home)) await remove(join(home, name))
  else mkdirSync(home)
  await succeed('chown', ['-h', '--', `${uid}:${gid}`, home])
  await succeed('chmod', ['0700', '--', home])
}

async function remove(path: string): Promise<void> {
  if (!(await removeTree(path))) throw new Error(`${path} cannot be removed`)
}

async function succeed(file: 'chown' | 'chmod', args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await systemTool(file, args, LIMITS)
  if (exitCode !== 0) throw new Error(`${file}: ${stderr.trim()}`)
}

/** At the start: slots that no workspace has may hold what a crash left. */
export async function clearFreeSlots(agent: Agent): Promise<void> {
  const taken = new Set([...agent.workspaces.values()].map(({ record }) => record.slot))
  for (const { name } of agent.slots) if (!taken.has(name)) await clearSlot(agent, name)
}

// --- What a slot's user may reach of a workspace: its work tree and its prompts, and the way there ---

const CHOWN_MS = 10 * 60_000

/** Once, when the work tree is built and nothing of the repository has run. Hard links out of it are only objects. */
export async function handOver(agent: Agent, workspace: Workspace): Promise<void> {
  const slot = slotOf(agent, workspace)
  if (!slot) return
  // Who may pass through a folder may not list it; the workspace's own is closed to every other slot.
  if (!slot.isVirtual) {
    for (const folder of [agent.state, join(agent.state, 'workspaces')]) chmodSync(folder, 0o711)
    chownSync(workspace.folder, -1, slot.gid)
    chmodSync(workspace.folder, 0o710)
  }
  const owner = `${slot.uid}:${slot.gid}`
  const tree = workTree(workspace)
  if (slot.isVirtual) {
    mkdirSync(virtualHome(tree), { recursive: true, mode: 0o700 })
    chownSync(virtualHome(tree), slot.uid, slot.gid)
  }
  const given = await systemTool('chown', ['-R', '-h', '--', owner, tree], { cwd: '/', timeoutMs: CHOWN_MS })
  if (given.exitCode !== 0) throw new Error(`the work tree cannot be given to ${slot.name}: ${given.stderr.trim()}`)
}

/** The folder that commands find as TDF_ARTIFACTS: beside the work tree, and theirs. */
export function makeArtifactsFolder(agent: Agent, workspace: Workspace): void {
  const folder = artifactsFolder(workTree(workspace))
  if (existsSync(folder)) return
  mkdirSync(folder, { mode: 0o700 })
  const slot = slotOf(agent, workspace)
  if (slot) chownSync(folder, slot.uid, slot.gid)
}

/** The slot's user reads these files by path; nobody else gets as far as this folder. */
export function openSessionFolder(agent: Agent, workspace: Workspace, draft: string, files: readonly string[]): void {
  const slot = slotOf(agent, workspace)
  if (!slot) return
  const way = slot.isVirtual ? [] : [join(draft, '..'), draft]
  for (const folder of way) if (existsSync(folder)) chmodSync(folder, 0o711)
  for (const file of files) chmodSync(file, 0o644)
}
