/**
 * Tries at what is due: begun by a sweep that does not wait for them, so many at once, and of one key never two. A try may be cut
 * off anywhere when the daemon stops, and is made again.
 */
import { asTdfError, type TdfError } from '../../../src/core/errors.ts'
import type { Engine } from '../../services.ts'
import type { Sweep } from '../../sweeps/run.ts'

export interface Tries<T> {
  /** Begins what is due; one that hangs does not hold up the others, nor the sweep. */
  sweep: Sweep
  /** Waits for the try with this key that goes on, which may be of an earlier wish, then for one of what `read` finds. */
  now(key: string, read: () => T | undefined): Promise<void>
  stop(): Promise<void>
}

export interface TriesOptions<T> {
  /** Of the sweep. */
  name: string
  atOnceMax: number
  keyOf(one: T): string
  /** At most `limit` of what is due at `now`, Unix ms. */
  due(now: number, limit: number): readonly T[]
  /** Writes nothing once the signal is aborted. */
  attempt(one: T, signal: AbortSignal): Promise<void>
  /** Writes that a try has failed, and when the next one is due. */
  failed(one: T, error: TdfError): Promise<void>
}

const EVERY_MS = 500

export function createTries<T>(
  { world, log }: Pick<Engine, 'world' | 'log'>,
  { name, atOnceMax, keyOf, due, attempt, failed }: TriesOptions<T>,
): Tries<T> {
  const going = new Map<string, Promise<void>>()
  const ending = new AbortController()

  function begin(one: T): Promise<void> {
    const key = keyOf(one)
    const trying = attempt(one, ending.signal)
      .catch(thrown => (ending.signal.aborted ? undefined : failed(one, asTdfError(thrown))))
      .finally(() => going.delete(key))
    going.set(key, trying)
    return trying
  }

  return {
    async now(key, read) {
      await going.get(key)
      const one = read()
      if (one !== undefined) await (going.get(key) ?? begin(one))
    },
    sweep: {
      name,
      everyMs: () => EVERY_MS,
      async run() {
        const free = atOnceMax - going.size
        if (free <= 0) return {}
        const ready = due(world.clock.now(), atOnceMax * 2).filter(one => !going.has(keyOf(one)))
        for (const one of ready.slice(0, free)) {
          begin(one).catch(error => log.error({ key: keyOf(one), err: String(error) }, `${name}: a try is not stored`))
        }
        return {}
      },
    },
    async stop() {
      ending.abort(new Error('the daemon stops'))
      await Promise.allSettled(going.values())
    },
  }
}
