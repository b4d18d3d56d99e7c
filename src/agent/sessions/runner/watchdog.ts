/** Ends a command at its time limit, or when it neither wrote a byte nor used the processor for too long. */
import { replaceFile } from '../../../platform/files.ts'
import type { Cancel, World } from '../../../platform/world.ts'
import { MS_PER_TICK, type ProcessRow, readProcess } from '../../isolation/processes.ts'

export interface Watchdog {
  /** Why it was ended, if it was. */
  reason(): 'timeout' | 'idle' | null
  stop(): void
}

export interface WatchdogOptions {
  timeoutMs: number | null
  idleMs: number | null
  /** On the monotonic clock, of the last byte. */
  lastByteMs(): number
  /** Of all its processes so far. */
  cpuMs(): number
  /** It waits for a person's answer, and has nothing to do meanwhile. */
  isAsking(): boolean
  terminate(): void
}

const LOOKS_PER_LIMIT = 10
/** A busy machine is late by so much. */
const LATE_MS = 5_000

export function startWatchdog(world: World, options: WatchdogOptions): Watchdog {
  const { timeoutMs, idleMs, terminate } = options
  let reason: 'timeout' | 'idle' | null = null
  const end = (why: 'timeout' | 'idle') => {
    reason ??= why
    terminate()
  }
  const cancelTimeout = timeoutMs === null ? () => {} : world.clock.timer(timeoutMs, () => end('timeout'))
  let cancelLook = () => {}
  let cpuMs = options.cpuMs()
  let aliveMs = world.clock.mono()
  let lookedMs = aliveMs
  const look = (limitMs: number) => {
    const now = world.clock.mono()
    // After a look that came late, because the machine stood still, what happened meanwhile is not known.
    const isLate = now - lookedMs > (2 * limitMs) / LOOKS_PER_LIMIT + LATE_MS
    lookedMs = now
    if (isLate || options.isAsking() || options.cpuMs() !== cpuMs) aliveMs = now
    cpuMs = options.cpuMs()
    if (now - Math.max(aliveMs, options.lastByteMs()) >= limitMs) return end('idle')
    cancelLook = world.clock.timer(limitMs / LOOKS_PER_LIMIT, () => look(limitMs))
  }
  if (idleMs !== null) look(idleMs)
  return {
    reason: () => reason,
    stop: () => {
      cancelTimeout()
      cancelLook()
    },
  }
}

/**
 * CPU time of a session's processes, as a number that only grows: the sum over all that live, plus what their parents
 * waited for. When a daemonised child ends, init takes its time along; that drop is skipped, not subtracted.
 */

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

/** Not synced: after a power cut it is not needed. */
function store(path: string, cpuMs: number): void {
  try {
    replaceFile(path, JSON.stringify({ cpuMs }))
  } catch {
    // A full disk loses this number and nothing else.
  }
}
