/** Whether the daemon of this machine is a service that this user may call, also while it is not up yet. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

/** As `tdf daemon install` writes it. */
export const MACHINE_UNIT = 'tdfd'

/** Of a folder of sockets: there, and open to its group, as systemd makes it. One that root has run by hand is root's alone. */
export function isShared(folder: string): boolean {
  return existsSync(folder) && (statSync(folder).mode & 0o010) !== 0
}

interface Machine {
  /** Its root folder; another one in tests. */
  root?: string
  groups?: readonly number[]
}

/** The unit is installed, and its group is one of ours. systemd makes the folder of its socket only when it starts. */
export function isServiceHere({ root = '/', groups = process.getgroups?.() ?? [] }: Machine = {}): boolean {
  if (!existsSync(path.join(root, 'etc/systemd/system', `${MACHINE_UNIT}.service`))) return false
  try {
    // group(5): name, password, id, members.
    const line = /^tdf:[^:\n]*:(\d+):/m.exec(readFileSync(path.join(root, 'etc/group'), 'utf8'))
    return line !== null && groups.includes(Number(line[1]))
  } catch {
    return false
  }
}
