/** Ends a command at its time limit, or when it neither wrote a byte nor used the processor for too long. */
import type { World } from '../../world.ts'

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
    // Who was kept from looking, by a machine that stood still, cannot tell whether anything happened meanwhile.
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
