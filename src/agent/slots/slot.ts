/**
 * A slot is an unprivileged user of the machine that runs the sessions of one workspace at a time, so that what one
 * task leaves behind or starts is told by its owner and never meets another's. Without slots sessions run as we do.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export const slotUser = z.object({ name: z.string(), uid: z.int().min(1), gid: z.int().min(1), home: z.string() })
export type Slot = z.output<typeof slotUser>

/** Looks the names up in passwd(5). Throws when one is missing, is root, or has no home of its own. */
export function readSlots(names: readonly string[], file = '/etc/passwd'): Slot[] {
  if (names.length === 0) return []
  const users = new Map(
    readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.split(':'))
      .map(([name = '', , uid, gid, , home = '']) => [name, { name, uid: Number(uid), gid: Number(gid), home }]),
  )
  return names.map(name => {
    const slot = slotUser.safeParse(users.get(name))
    if (!slot.success || !/^\/.+/.test(slot.data.home)) throw new Error(`${name} is no user that can be a slot`)
    return slot.data
  })
}
