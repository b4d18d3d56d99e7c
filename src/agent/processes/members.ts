/**
 * Which processes belong to a session: those of the command's own session, their children, those that carry the
 * session's variables, and all that were once seen to belong. A daemonised child leaves the first two, one that
 * clears its environment the third; only who does all that between two looks gets away.
 */
import process from 'node:process'
import type { Slot } from '../slots/slot.ts'
import { listProcesses, type ProcessRow, processesOf, readEnvironment } from './table.ts'

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
  // The pid may long be somebody else's: its session is ours only if it began when ours did, or later.
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
