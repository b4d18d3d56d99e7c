/** Ends every process of a session, also those that are being born meanwhile. */
import { sendSignal } from '../../process.ts'
import { sleep, type World } from '../../world.ts'
import type { ProcessRow } from './table.ts'

const ROUNDS_MAX = 250
const PAUSE_MS = 20

/** False when some are still there after five seconds: they belong to another user, or hang in the kernel. */
export async function killLeftovers(world: World, find: () => ProcessRow[]): Promise<boolean> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const members = find()
    if (members.length === 0) return true
    for (const member of members) sendSignal(member.pid, 'SIGKILL')
    await sleep(world.clock, PAUSE_MS)
  }
  return false
}
