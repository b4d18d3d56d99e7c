/** The process table of this machine, read from /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessRow {
  pid: number
  parentPid: number
  groupId: number
  sessionId: number
  startTicks: string
  /** Clock ticks of the process itself, and of its children that it has waited for. */
  ticks: number
  childTicks: number
}

/** USER_HZ, which Linux has fixed at 100 for what /proc shows. */
export const MS_PER_TICK = 10

/** Without zombies: they can neither work nor be ended. */
export function listProcesses(): ProcessRow[] {
  return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? (readProcess(name) ?? []) : []))
}

export function readProcess(pid: string): ProcessRow | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The name in parentheses may hold anything; after the last one come fields 3 and on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return null
  const number = (field: number) => Number(fields[field - 3] ?? 0)
  return {
    pid: Number.parseInt(stat, 10),
    parentPid: number(4),
    groupId: number(5),
    sessionId: number(6),
    startTicks: fields[19] ?? '',
    ticks: number(14) + number(15),
    childTicks: number(16) + number(17),
  }
}

/** Processes of a user by its real uid, which only a privileged process can change. */
export function processesOf(uid: number): ProcessRow[] {
  return listProcesses().filter(({ pid }) => realUidOf(pid) === uid)
}

function realUidOf(pid: number): number | null {
  try {
    const found = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return found ? Number(found[1]) : null
  } catch {
    return null
  }
}

/** NAME=VALUE entries; null when they cannot be read, or when the process is just changing its program. */
export function readEnvironment(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return text === '' ? null : text.split('\0')
  } catch {
    return null
  }
}
