/**
 * Whether the daemon is well. The watchdog, `/health`, the metrics and `doctor` ask here. A *vital* check that fails is
 * mended by a new start; any other is mended outside, and a restart would only hide it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { asTdfError } from '../../src/core/errors.ts'
import { sleep } from '../../src/platform/world.ts'
import { writeMeta } from '../../src/store/tables/meta.ts'
import type { Engine } from '../services.ts'

export interface Check {
  name: 'event loop' | 'scheduler' | 'database' | 'storage' | 'provider' | 'role'
  ok: boolean
  vital: boolean
  detail: string
}

export interface Health {
  /** Looks now. Takes at most `ANSWER_MS_MAX`. */
  look(): Promise<Check[]>
  /** 99 of 100 turns of the event loop since the last `look` came less late than this, in ms. */
  loopDelayMs(): number
  stop(): void
}

const DELAY_MS_MAX = 5_000
/** Twice the longest sleep of the loop. */
const OVERDUE_MS_MAX = 120_000
const ANSWER_MS_MAX = 10_000
const RESOLUTION_MS = 100

export function createHealth(engine: Engine): Health {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  // The histogram counts its own period in; what is beyond it is delay, in ns.
  const loopDelayMs = () => Math.max(delay.percentile(99) / 1e6 - RESOLUTION_MS, 0)
  return {
    async look() {
      const delayMs = loopDelayMs()
      delay.reset()
      const stored = awayOf(engine) ?? [schedules(engine), ...(await writes(engine))]
      return [turns(delayMs), ...stored, ...orders(engine)]
    },
    loopDelayMs,
    stop: () => delay.disable(),
  }
}

function turns(delayMs: number): Check {
  const detail = `99 of 100 turns came less than ${Math.round(delayMs)} ms late`
  return { name: 'event loop', ok: delayMs < DELAY_MS_MAX, vital: true, detail }
}

/** A task that is due and not run for minutes waits for a timer that was lost. */
function schedules({ loop, world }: Pick<Engine, 'loop' | 'world'>): Check {
  const overdueMs = Math.max(world.clock.now() - (loop.earliest() ?? Number.POSITIVE_INFINITY), 0)
  const detail =
    overdueMs === 0 ? 'nothing is overdue' : `the earliest wake is ${Math.round(overdueMs / 1000)} s overdue`
  return { name: 'scheduler', ok: overdueMs < OVERDUE_MS_MAX, vital: true, detail }
}

/** Whether Hetzner takes our token, as far as it was asked. */
function orders({ metrics }: Pick<Engine, 'metrics'>): Check[] {
  const refuses = metrics.hetznerRefuses()
  if (refuses === null) return []
  const detail = refuses ? 'Hetzner refused the API token when it was last asked' : 'Hetzner takes the API token'
  return [{ name: 'provider', ok: !refuses, vital: false, detail }]
}

/** A database elsewhere comes back by itself: no restart mends it, nor what waits for it. Null while it is not away. */
function awayOf({ store }: Pick<Engine, 'store'>): Check[] | null {
  const outage = store.kind === 'ledger' ? store.outage() : null
  if (outage === null || outage.until !== null) return null
  return [{ name: 'storage', ok: false, vital: false, detail: outage.error.message }]
}

/** One row, durably. A refusal is an answer: a full disk is not mended by a restart. */
async function writes({ store, world }: Pick<Engine, 'store' | 'world'>): Promise<Check[]> {
  const row = () => writeMeta(store.sql, 'alive_at', String(world.clock.now()))
  const stored = store.commit(row).then(
    () => 'a row is durable',
    thrown => asTdfError(thrown),
  )
  const timeUp = new AbortController()
  const silence = sleep(world.clock, ANSWER_MS_MAX, timeUp.signal).then(() => null)
  const answer = await Promise.race([stored, silence.catch(() => null)])
  timeUp.abort()
  const away = answer === null ? awayOf({ store }) : null
  if (away) return away
  const detail = answer === null ? `no answer to a write within ${ANSWER_MS_MAX} ms` : 'it answers'
  const database: Check = { name: 'database', ok: answer !== null, vital: true, detail }
  if (answer === null) return [database]
  const isStored = typeof answer === 'string'
  return [database, { name: 'storage', ok: isStored, vital: false, detail: isStored ? answer : answer.message }]
}
