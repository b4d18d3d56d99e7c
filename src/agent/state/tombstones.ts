/** Ids of workspaces that were deleted: a late request for one must not make it again. The newest 10 000 are kept. */
import { join } from 'node:path'
import { openLines } from './lines.ts'

export interface Tombstones {
  has(workspaceId: string): boolean
  add(workspaceId: string): void
  close(): void
}

const KEPT_MAX = 10_000

export function openTombstones(state: string): Tombstones {
  const { lines, found } = openLines(join(state, 'deleted.log'))
  const ids = new Set(found.slice(-KEPT_MAX))
  if (found.length > ids.size) lines.rewrite([...ids])
  return {
    has: workspaceId => ids.has(workspaceId),
    add: workspaceId => {
      if (ids.has(workspaceId)) return
      lines.append([workspaceId])
      ids.add(workspaceId)
      if (ids.size < 2 * KEPT_MAX) return
      for (const old of [...ids].slice(0, ids.size - KEPT_MAX)) ids.delete(old)
      lines.rewrite([...ids])
    },
    close: () => lines.close(),
  }
}
