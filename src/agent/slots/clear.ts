/** A slot between two workspaces: no process of its user lives, its home is empty, nothing of it lies in /tmp. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from '../../world.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../log.ts'
import { killLeftovers } from '../processes/kill-leftovers.ts'
import { processesOf } from '../processes/table.ts'
import { removeTree } from '../state/remove-tree.ts'
import { systemTool } from '../system-tool.ts'
import type { Slot } from './slot.ts'

const SHARED_FOLDERS = ['/tmp', '/var/tmp', '/dev/shm']
const LIMITS = { cwd: '/', timeoutMs: 5 * 60_000, outputBytesMax: 64 * 1024 }

/** Every process of the user, wherever it hid. False when some cannot be ended. */
export function endSlot(world: World, slot: Slot): Promise<boolean> {
  return killLeftovers(world, () => processesOf(slot.uid))
}

/** After its workspace is gone. It serves again when it is clean; one that cannot be cleaned serves no more. */
export async function clearSlot(agent: Agent, name: string | null): Promise<void> {
  const slot = agent.slots.find(one => one.name === name)
  if (!slot || agent.slotsInCare.has(slot.name)) return
  agent.slotsInCare.add(slot.name)
  try {
    if (!(await endSlot(agent.world, slot))) throw new Error('processes of its user cannot be ended')
    await emptyHome(slot)
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
