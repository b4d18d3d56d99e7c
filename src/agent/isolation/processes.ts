/** The process table of this machine, read from /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { sendSignal } from '../../platform/process.ts'
import { sleep, type World } from '../../platform/world.ts'
import type { Slot } from './slot.ts'

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

// --- Which processes belong to a session ---
//
// Those of the command's own session, their children, those that carry the session's variables, and all that were once
// seen to belong. A daemonised child leaves the first two, one that clears its environment the third; only a process that
// does all of that between two looks gets away.

export interface SessionMark {
  workspaceId: string
  sessionId: string
  promptFile: string
  leader: { pid: number; startTicks: string | null } | null
  /** With a user of its own, everything of that user belongs to it. */
  slot: Slot | null
}

/** Gives a function that lists the members that live now. It remembers, so ask it more than once. */
export function memberFinder(mark: SessionMark): () => ProcessRow[] {
  const { slot } = mark
  if (slot) return () => processesOf(slot.uid)
  let members = new Set<string>()
  let strangers = new Set<string>()
  return () => {
    const rows = listProcesses().filter(row => row.pid !== process.pid)
    const found = new Map<number, ProcessRow>()
    const stillStrangers = new Set<string>()
    for (const row of rows) {
      const key = `${row.pid} ${row.startTicks}`
      if (members.has(key) || isOfLeader(mark, row)) found.set(row.pid, row)
      else if (strangers.has(key)) stillStrangers.add(key)
      else {
        const environment = readEnvironment(row.pid)
        if (environment && carriesMark(mark, environment)) found.set(row.pid, row)
        else if (environment) stillStrangers.add(key)
      }
    }
    addChildren(rows, found)
    members = new Set([...found.values()].map(row => `${row.pid} ${row.startTicks}`))
    strangers = stillStrangers
    return [...found.values()]
  }
}

function isOfLeader(mark: SessionMark, row: ProcessRow): boolean {
  const { leader } = mark
  if (!leader) return false
  if (row.sessionId !== leader.pid && row.groupId !== leader.pid) return false
  // The pid may be another process's by now: its session is ours only if it began when ours did, or later.
  return leader.startTicks === null || Number(row.startTicks) >= Number(leader.startTicks)
}

/** The prompt file's path is unique on this machine; ids alone count only where that variable was taken away. */
function carriesMark(mark: SessionMark, environment: readonly string[]): boolean {
  if (environment.includes(`TDF_PROMPT_FILE=${Buffer.from(mark.promptFile).toString('latin1')}`)) return true
  return (
    environment.includes(`TDF_SESSION_ID=${mark.sessionId}`) &&
    environment.includes(`TDF_WORKSPACE_ID=${mark.workspaceId}`) &&
    !environment.some(entry => entry.startsWith('TDF_PROMPT_FILE='))
  )
}

function addChildren(rows: readonly ProcessRow[], found: Map<number, ProcessRow>): void {
  if (found.size === 0) return
  for (let size = -1; size !== found.size; ) {
    size = found.size
    for (const row of rows) if (found.has(row.parentPid)) found.set(row.pid, row)
  }
}

// --- The end of every process of a session, also of those that are being born meanwhile ---

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
