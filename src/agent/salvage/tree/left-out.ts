/** The list of what a salvage leaves out: each path once, with the gravest of its reasons, the first of those. */
import { LEFT_OUT, type LeftOut, type LeftOutKind } from '../../../core/saved.ts'
import { type BytePath, shown } from '../listing.ts'

/** Takes the full path of what cannot be saved; without a reason the words of its kind hold. */
export type LeaveOut = (path: BytePath, kind: LeftOutKind, about?: { reason?: string; bytes?: number }) => void

const LEFT_OUT_MAX = 200

export interface LeftOutList {
  leaveOut: LeaveOut
  /** What is asked for first: what may be lost, then what was to be left out. */
  all(): LeftOut[]
}

/** `before`: what was left out already. */
export function leftOutList(before: readonly LeftOut[] = []): LeftOutList {
  const left = new Map(before.map(one => [one.path, one]))
  return {
    leaveOut: (path, kind, { reason, bytes } = {}) => {
      const name = shown(path)
      const known = left.get(name)
      if (known && rank(known.kind) <= rank(kind)) return
      left.set(name, { path: name, bytes: bytes ?? null, reason: reason ?? LEFT_OUT[kind].reason, kind })
    },
    all: () => shortened([...left.values()]),
  }
}

/** The gravest first: what keeps the workspace, other work, an artifact, what is ignored. */
function rank(kind: LeftOutKind): number {
  const { isKept, isWork } = LEFT_OUT[kind]
  return isKept ? 0 : isWork ? 1 : kind === 'artifact' ? 2 : 3
}

function shortened(left: readonly LeftOut[]): LeftOut[] {
  const all = left.toSorted((a, b) => rank(a.kind) - rank(b.kind) || (a.path < b.path ? -1 : 1))
  if (all.length <= LEFT_OUT_MAX) return all
  const [last] = all.slice(LEFT_OUT_MAX)
  const count = all.length - LEFT_OUT_MAX
  return [
    ...all.slice(0, LEFT_OUT_MAX),
    { path: '…', bytes: null, reason: `${count} more`, kind: last?.kind ?? 'ignored' },
  ]
}
