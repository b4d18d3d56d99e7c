/**
 * Runs the sweeps, each by itself: one that fails or hangs never keeps another from running, none overlaps itself, and
 * one that has not succeeded for too long raises an alarm. Called once a second; what is due is begun.
 */
import { asTdfError } from '../../src/core/errors.ts'
import { recordFailure } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'
import type { Report, Sweep, SweepParts } from './sweep.ts'

/** How many rounds may fail or hang before somebody is told. */
const ROUNDS_BEFORE_ALARM = 3
/** The least time before an alarm, in ms, so that a short interval does not cry at once. */
const ALARM_MS_MIN = 60_000
/** Looks so far apart, in ms, mean that nobody could sweep meanwhile: a machine that slept is no sweep that hangs. */
const LOOK_GAP_MS = 30_000

export interface Sweeper {
  /** Begins what is due. */
  tick(): void
  /** Runs one sweep to its end now; for tests and for the simulation. */
  run(name: string): Promise<Report>
  /** When each last succeeded, Unix ms. */
  beacons(): Record<string, number>
  stop(): Promise<void>
}

interface State {
  running: Promise<void> | null
  endedAt: number
  succeededAt: number
  alarmed: boolean
}

export function createSweeper(engine: Engine, parts: SweepParts, sweeps: readonly Sweep[]): Sweeper {
  const { world, config, log, store } = engine
  const controller = new AbortController()
  const startedAt = world.clock.now()
  let lookedAt = startedAt
  let awakeSince = startedAt
  const states = new Map(
    sweeps.map(({ name, atStart }) => [name, { ...fresh(startedAt), ...(atStart ? { endedAt: 0 } : {}) }]),
  )
  const stateOf = (name: string) => states.get(name) ?? fresh(startedAt)

  async function round(sweep: Sweep): Promise<Report> {
    const state = stateOf(sweep.name)
    try {
      const report = await sweep.run(engine, parts, controller.signal)
      state.succeededAt = world.clock.now()
      state.alarmed = false
      if (Object.values(report).some(count => count > 0)) log.info({ sweep: sweep.name, ...report }, 'sweep')
      return report
    } catch (thrown) {
      if (controller.signal.aborted) return {}
      log.error({ sweep: sweep.name, err: asTdfError(thrown).message }, 'a sweep failed')
      return {}
    } finally {
      state.endedAt = world.clock.now()
    }
  }

  function begin(sweep: Sweep): void {
    const state = stateOf(sweep.name)
    const isDue = world.clock.now() - state.endedAt >= sweep.everyMs(config)
    if (state.running || !isDue) return
    state.running = round(sweep).then(() => {
      state.running = null
    })
  }

  /** The absence of success is the alarm: a sweep that hangs says nothing by itself. */
  function watch(sweep: Sweep): void {
    const state = stateOf(sweep.name)
    const silentMs = world.clock.now() - Math.max(state.succeededAt, awakeSince)
    if (state.alarmed || silentMs < Math.max(sweep.everyMs(config) * ROUNDS_BEFORE_ALARM, ALARM_MS_MIN)) return
    state.alarmed = true
    const message = `the sweep "${sweep.name}" has not succeeded for ${Math.round(silentMs / 1000)} s`
    log.error({ sweep: sweep.name, silentMs }, message)
    const id = `sweep-${sweep.name}-${world.clock.now()}`
    store
      .commit(() => recordFailure(engine, { id, source: 'sweep', code: 'SWEEP_SILENT', message }))
      .catch(error => log.error({ err: String(error) }, 'the alarm could not be stored'))
  }

  return {
    tick() {
      const now = world.clock.now()
      if (now - lookedAt > LOOK_GAP_MS) awakeSince = now
      lookedAt = now
      for (const sweep of sweeps) {
        begin(sweep)
        watch(sweep)
      }
    },
    async run(name) {
      const sweep = sweeps.find(one => one.name === name)
      return sweep ? round(sweep) : {}
    },
    beacons: () => Object.fromEntries([...states].map(([name, { succeededAt }]) => [name, succeededAt])),
    async stop() {
      controller.abort(new Error('the daemon stops'))
      await Promise.allSettled([...states.values()].map(({ running }) => running))
    },
  }
}

const fresh = (at: number): State => ({ running: null, endedAt: at, succeededAt: at, alarmed: false })
