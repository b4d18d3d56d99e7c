/**
 * A slot is an unprivileged user of the machine that runs the sessions of one workspace at a time, so that what one
 * task leaves behind or starts is told by its owner and never meets another's. Without slots sessions run as we do.
 */
import { constants, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { isAccessible } from '../../platform/files.ts'

export const slotUser = z.object({
  name: z.string(),
  uid: z.int().min(1),
  gid: z.int().min(1),
  home: z.string(),
  /** Not in passwd(5): a number that is a user in the sandbox alone. Its home stands beside its workspace and goes with it. */
  isVirtual: z.boolean().optional(),
})
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

// --- A command of a slot's user: with its groups, without any privilege of ours, and no way to gain one ---

/** setpriv(1) of util-linux clears what an ambient capability would hand on; a uid alone keeps it. */
export function asSlot({ uid, gid, isVirtual }: Slot, command: readonly string[]): string[] {
  const groups = isVirtual ? '--clear-groups' : '--init-groups'
  return [
    ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, groups, '--no-new-privs'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--', ...command],
  ]
}

/** setpriv ends with 127 when there is no such program, like the program itself may: so it is looked for before. */
export function refuseMissing(program: string, path: string, workTree: string): void {
  const places = program.includes('/')
    ? [isAbsolute(program) ? program : join(workTree, program)]
    : path.split(':').map(folder => join(folder || '.', program))
  if (!places.some(place => isAccessible(place, constants.X_OK)))
    throw Object.assign(new Error(`no ${program}`), { code: 'ENOENT' })
}
