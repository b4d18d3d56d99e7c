/** A lane pushes one thing after the other and keeps trying; lanes do not wait for each other. */
import type { Cancel, World } from '../../platform/world.ts'
import type { Log } from '../errors.ts'
import { isRefusal, judge, type Push, post } from './post.ts'

export interface LaneItem {
  name: string
  push: Push
  /** The daemon has it, or will not take it. */
  settled(): void
}

export interface DeliveryQueue {
  /** There may be something to push now. With `afresh` the waits and counts of earlier failures are forgotten. */
  wake(afresh?: boolean): void
  stop(): void
}

export function openDeliveryQueue(world: World, log: Log, next: () => LaneItem | null): DeliveryQueue {
  const stopped = new AbortController()
  let state: 'idle' | 'busy' | 'waiting' = 'idle'
  let cancelWait: Cancel = () => {}
  let trying = ''
  let tries = 0
  let refusedSinceMs: number | null = null
  const forget = () => {
    tries = 0
    refusedSinceMs = null
  }

  const go = async () => {
    const item = stopped.signal.aborted ? null : next()
    if (!item) {
      state = 'idle'
      return
    }
    state = 'busy'
    if (item.name !== trying) forget()
    trying = item.name
    const result = await post(world, item.push, stopped.signal)
    if (stopped.signal.aborted) return
    tries += 1
    const nowMs = world.clock.mono()
    refusedSinceMs = isRefusal(result) ? (refusedSinceMs ?? nowMs) : null
    const verdict = judge(result, tries, refusedSinceMs === null ? 0 : nowMs - refusedSinceMs, world.random.float())
    if (verdict.kind === 'again') {
      if (tries === 1) log('warn', 'push failed', { push: item.name, result: JSON.stringify(result) })
      state = 'waiting'
      cancelWait = world.clock.timer(verdict.afterMs, () => void go())
      return
    }
    if (verdict.kind === 'final') log('warn', 'push is refused for good', { push: item.name, status: verdict.status })
    item.settled()
    forget()
    void go()
  }
  return {
    wake: (afresh = false) => {
      if (afresh) forget()
      if (state === 'waiting' && afresh) cancelWait()
      if (state === 'idle' || (state === 'waiting' && afresh)) void go()
    },
    stop: () => {
      stopped.abort()
      cancelWait()
    },
  }
}
