/** Versions as three numbers; what follows a dash counts for nothing. */

/** Negative when `one` is older than `other`, positive when it is newer. */
export function compareVersions(one: string, other: string): number {
  const [ours, theirs] = [numbers(one), numbers(other)]
  for (const [index, number] of ours.entries()) {
    const difference = number - (theirs[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbers(version: string): number[] {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(version)
  return found ? found.slice(1).map(Number) : [0, 0, 0]
}
