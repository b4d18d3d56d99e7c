/** What a daemon may take while it works for long, and whether it grows. */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

export interface Sample {
  /** Tasks that have ended by then. */
  ended: number
  heapBytes: number
  rssBytes: number
  diskBytes: number
  files: number
}

type Measure = Exclude<keyof Sample, 'ended'>

const MIB = 1024 * 1024
/** Whatever it does. */
export const MOST: Record<Measure, number> = {
  heapBytes: 160 * MIB,
  rssBytes: 512 * MIB,
  diskBytes: 512 * MIB,
  files: 200,
}
/** The last third of the work takes at most so many times what the second third took at most. */
const GROWTH = 1.25

export function sample(ended: number, stateDir: string): Sample {
  // Run with --expose-gc: what is counted is what something still holds.
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const files = readdirSync('/proc/self/fd').length
  return { ended, heapBytes: heapUsed, rssBytes: rss, diskBytes: bytesBelow(stateDir), files }
}

function bytesBelow(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += sizeOf(path.join(entry.parentPath, entry.name))
  }
  return bytes
}

/** A backup or a log of the database may go between the two looks. */
const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** A sentence for each bound that broke. */
export function broken(samples: readonly Sample[]): string[] {
  const third = Math.ceil(samples.length / 3)
  const most = (measure: Measure, from: number, to?: number) =>
    Math.max(0, ...samples.slice(from, to).map(one => one[measure]))
  return (Object.keys(MOST) as Measure[]).flatMap(measure => {
    const peak = most(measure, 0)
    const [middle, last] = [most(measure, third, 2 * third), most(measure, 2 * third)]
    return [
      ...(peak > MOST[measure] ? [`${measure} reached ${peak}, and may reach ${MOST[measure]}`] : []),
      ...(last > middle * GROWTH ? [`${measure} grew from ${middle} to ${last} in the last third`] : []),
    ]
  })
}

/** The figures of a run, one line a measure. */
export function figures(samples: readonly Sample[]): string {
  const third = Math.ceil(samples.length / 3)
  const line = (measure: Measure, unit: number, name: string) => {
    const most = (from: number, to?: number) => Math.max(...samples.slice(from, to).map(one => one[measure])) / unit
    return `${name}: ${[most(0, third), most(third, 2 * third), most(2 * third)].map(value => value.toFixed(0)).join(', ')}`
  }
  return [
    'the most in each third of the work:',
    line('heapBytes', MIB, '  heap in use, MiB'),
    line('rssBytes', MIB, '  resident memory, MiB'),
    line('diskBytes', MIB, '  state folder, MiB'),
    line('files', 1, '  open files'),
  ].join('\n')
}
