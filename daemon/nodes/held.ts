/** Holds the machine while work on it is not saved; the sweep keeps trying. Freed by success, by you, or by time. */
import type { NodeHandler } from './journey.ts'

const LOOK_MS = 30_000

export const held: NodeHandler = async ({ unsaved, workspaces, now }, node) => {
  const isLate = node.deadlineAt !== null && now >= node.deadlineAt
  if (unsaved > 0 && !isLate) return { ms: LOOK_MS, waitingFor: `the work of ${unsaved} tasks on it to be saved` }
  if (node.autoProvisioned && (workspaces === 0 || isLate)) return { status: 'draining', ms: 0, deadlineAt: null }
  return { status: 'ready', ms: 0, deadlineAt: null, waitingFor: null }
}
