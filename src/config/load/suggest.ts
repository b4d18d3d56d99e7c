/** The key that was meant: one that is spelt like it in the same table, or the same one in another table. */
import { configSchema } from '../schema/config.ts'
import { keysOf, type Schema, shapeOf } from '../schema/shape.ts'
import type { Path } from './tree.ts'

const KEYS = [...keysOf(configSchema)]

/** Answers with a whole path, or undefined. `table` is the schema of the table at `path` that has no key `name`. */
export function meantKey(table: Schema, path: Path, name: string): Path | undefined {
  const shape = shapeOf(table)
  const near = shape.kind === 'table' ? nearest(name, Object.keys(shape.keys)) : undefined
  if (near !== undefined) return [...path, near]
  const folded = foldedName(name)
  return KEYS.find(key => key.path.at(-1) === folded)?.path
}

/** Variables know neither small letters nor dashes. */
export function foldedName(name: string): string {
  return name.toLowerCase().replaceAll('-', '_')
}

// --- "Did you mean …?" ---

/** The candidate that few typing errors turn into `word`, or undefined when none is near. Case does not count. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const typosMax = Math.max(1, Math.floor(word.length / 3))
  let best: { candidate: string; typos: number } | undefined
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > typosMax) continue
    const typos = distance(word.toLowerCase(), candidate.toLowerCase())
    if (typos <= typosMax && typos < (best?.typos ?? Number.POSITIVE_INFINITY)) best = { candidate, typos }
  }
  return best?.candidate
}

/** Letters to add, drop, replace or swap with their neighbour (optimal string alignment). */
function distance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? Number.POSITIVE_INFINITY
}
