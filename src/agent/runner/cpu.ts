/**
 * CPU time of a session's processes, as a number that only grows: the sum over all that live, plus what their parents
 * waited for. When a daemonised child ends, init takes its time along; that drop is skipped, not subtracted.
 */
import { renameSync, writeFileSync } from 'node:fs'
import type { Cancel, World } from '../../world.ts'
import type { ProcessRow } from '../processes/table.ts'
import { MS_PER_TICK, readProcess } from '../processes/table.ts'

const FIRST_MS = 250
const EVERY_MS = 2_000

export interface CpuMeter {
  sample(): void
  totalMs(): number
  stop(): void
}

export function startCpuMeter(world: World, find: () => ProcessRow[], path: string): CpuMeter {
  let totalTicks = 0
  let lastTicks = 0
  let cancel: Cancel = () => {}
  const sample = () => {
    // The command is the runner's child: what it used is there once it has ended.
    const waitedFor = readProcess('self')?.childTicks ?? 0
    const ticks = find().reduce((sum, row) => sum + row.ticks + row.childTicks, waitedFor)
    const grown = Math.max(0, ticks - lastTicks)
    lastTicks = ticks
    if (grown === 0) return
    totalTicks += grown
    store(path, totalTicks * MS_PER_TICK)
  }
  const next = (ms: number) => {
    cancel = world.clock.timer(ms, () => {
      sample()
      next(EVERY_MS)
    })
  }
  next(FIRST_MS)
  return { sample, totalMs: () => totalTicks * MS_PER_TICK, stop: () => cancel() }
}

/** Not synced: after a power cut nobody asks for it. */
function store(path: string, cpuMs: number): void {
  try {
    writeFileSync(`${path}.tmp`, JSON.stringify({ cpuMs }), { mode: 0o600 })
    renameSync(`${path}.tmp`, path)
  } catch {
    // A full disk loses this number and nothing else.
  }
}
