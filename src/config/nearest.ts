/** "Did you mean …?" */

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
