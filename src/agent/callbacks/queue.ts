/** A delivery queue pushes one body after the other and retries until the daemon answers; queues are independent. */
import type { Cancel, World } from '../../platform/world.ts'
import type { Log } from '../errors.ts'
import { isRefusal, judge, type Push, post } from './post.ts'

export interface Delivery {
  name: string
  push: Push
  /** Called once the daemon has the body, or has refused it for good. */
  settled(): void
}

export interface DeliveryQueue {
  /** There may be a delivery now. `afresh` resets the backoff of earlier failures. */
  wake(afresh?: boolean): void
  stop(): void
}

export function openDeliveryQueue(world: World, log: Log, next: () => Delivery | null): DeliveryQueue {
  const stopped = new AbortController()
  let state: 'idle' | 'busy' | 'waiting' = 'idle'
  let cancelWait: Cancel = () => {}
  let trying = ''
  let tries = 0
  let refusedSinceMs: number | null = null
  const resetBackoff = () => {
    tries = 0
    refusedSinceMs = null
  }

  const pushNext = async () => {
    const item = stopped.signal.aborted ? null : next()
    if (!item) {
      state = 'idle'
      return
    }
    state = 'busy'
    if (item.name !== trying) resetBackoff()
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
      cancelWait = world.clock.timer(verdict.afterMs, () => void pushNext())
      return
    }
    if (verdict.kind === 'final') log('warn', 'push is refused for good', { push: item.name, status: verdict.status })
    item.settled()
    resetBackoff()
    void pushNext()
  }
  return {
    wake: (afresh = false) => {
      if (afresh) resetBackoff()
      if (state === 'waiting' && afresh) cancelWait()
      if (state === 'idle' || (state === 'waiting' && afresh)) void pushNext()
    },
    stop: () => {
      stopped.abort()
      cancelWait()
    },
  }
}
