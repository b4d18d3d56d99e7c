/** The journal, read from where the last look ended: every change of a step, a status and a node is one that the tables have. */
import { isEdge } from '../../../daemon/engine/rules/journey.ts'
import { NODE_EDGES, type NodeStatus } from '../../../src/core/node.ts'
import { STATUS_EDGES, type Status, type Step } from '../../../src/core/task.ts'
import { type JournalEvent, readEvents } from '../../../src/store/tables/journal.ts'
import type { Check } from '../seen.ts'

/** How far the journal was read, and where each attempt stood there. */
export interface Path {
  seq: number
  at: Map<string, { step: Step | null; status: Status | null }>
  /** Workspaces whose work was given up, on record. */
  discarded: Set<string>
}

export const freshPath = (): Path => ({ seq: 0, at: new Map(), discarded: new Set() })

export const pathInvariants: Record<string, Check> = {
  'the journal is a path of the journeys': ({ sql, sim: { path } }) => {
    const fresh = readEvents(sql, { after: path.seq, limit: 100_000 })
    path.seq = fresh.at(-1)?.seq ?? path.seq
    return fresh.flatMap(event => {
      if (event.type === 'task.work_discarded') path.discarded.add(String(event.data.workspace))
      if (event.type === 'node.status') return brokenNode(event)
      return event.type === 'task.step' || event.type === 'task.status' ? brokenPath(path, event) : []
    })
  },
}

function brokenNode({ nodeName, data }: JournalEvent): string[] {
  if (data.from === null) return []
  const allowed: readonly string[] = NODE_EDGES[data.from as NodeStatus]
  return allowed.includes(String(data.to)) ? [] : [`${nodeName}: ${data.from} → ${data.to}`]
}

function brokenPath(path: Path, { type, taskId, attempt, data }: JournalEvent): string[] {
  const key = `${taskId}/${attempt}`
  const before = path.at.get(key) ?? { step: null, status: null }
  const kind = type === 'task.step' ? 'step' : 'status'
  const findings = data.from === before[kind] ? [] : [`${key}: ${data.from} → ${data.to} follows ${before[kind]}`]
  path.at.set(key, { ...before, [kind]: data.to })
  const isLegal =
    kind === 'step'
      ? isStep(data.from as Step | null, data.to as Step | null)
      : isStatus(data.from as Status | null, data.to as Status)
  return isLegal ? findings : [...findings, `${key}: ${data.from} → ${data.to}`]
}

/** Any step may end in salvage or cleanup: that is what a failure or a cancel does. */
const isStep = (from: Step | null, to: Step | null) =>
  from === null || to === null || isEdge(from, to) || to === 'salvage' || to === 'cleanup'

function isStatus(from: Status | null, to: Status): boolean {
  const allowed: readonly Status[] = from === null ? ['queued'] : STATUS_EDGES[from]
  return allowed.includes(to)
}
