/** Running a command as a slot's user: with its groups, without any privilege of ours, and no way to gain one. */
import { accessSync, constants } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Slot } from './slot.ts'

/** setpriv(1) of util-linux clears what an ambient capability would hand on; a uid alone keeps it. */
export function asSlot(slot: Slot, command: readonly string[]): string[] {
  return [
    ...['setpriv', `--reuid=${slot.uid}`, `--regid=${slot.gid}`, '--init-groups', '--no-new-privs'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--', ...command],
  ]
}

/** setpriv ends with 127 when there is no such program, like the program itself may: so it is looked for before. */
export function refuseMissing(program: string, path: string, workTree: string): void {
  const places = program.includes('/')
    ? [isAbsolute(program) ? program : join(workTree, program)]
    : path.split(':').map(folder => join(folder || '.', program))
  if (!places.some(isExecutable)) throw Object.assign(new Error(`no ${program}`), { code: 'ENOENT' })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
