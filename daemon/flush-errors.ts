/** Carries failures from the outbox to the observability database: soon after each, and before anybody reads. */
import type { Observability } from '../src/store/observability.ts'
import { delivered, due, postpone } from '../src/store/outbox.ts'
import type { Engine } from './deps.ts'

const BATCH = 500
const RETRY_MS = 60_000

export interface ErrorFlush {
  /** Copies everything that is due; a database that cannot take it is tried again later. */
  flush(): Promise<void>
}

export function createErrorFlush(engine: Engine, observability: Observability): ErrorFlush {
  const { store, world, log } = engine
  let running: Promise<void> | null = null

  async function flush(): Promise<void> {
    for (;;) {
      const rows = due(store.sql, 'error', world.clock.now(), BATCH)
      if (rows.length === 0) return
      try {
        observability.addErrors(rows)
        await store.commit(() => rows.map(({ id }) => delivered(store.sql, id)))
      } catch (error) {
        log.warn({ err: String(error) }, 'failures could not be copied to the observability database')
        await store.commit(() => rows.map(({ id }) => postpone(store.sql, id, world.clock.now() + RETRY_MS)))
        return
      }
    }
  }

  return {
    flush() {
      running ??= flush().finally(() => (running = null))
      return running
    },
  }
}
