/**
 * Runs the sweeps, each by itself: one that fails or hangs never keeps another from running, none overlaps itself, and
 * one that has not succeeded for too long raises an alarm. The timetable says when to look; what is due is begun.
 */
import type { Config } from '../../src/config/schema/config.ts'
import { asTdfError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/platform/world.ts'
import type { Observability } from '../../src/store/observability.ts'
import { type ErrorFlush, recordFailure } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'

export interface SweepParts {
  stateDir: string
  errors: ErrorFlush
  observability: Observability
}

/** Counts by name; a round that counts nothing is not worth a line in the log. */
export type Report = Record<string, number>

export interface Sweep {
  name: string
  /** Whether the first round comes with the start, rather than an interval later. */
  atStart?: boolean
  /** How long after the beginning of one round the next begins, in ms; rounds of a sweep never overlap. */
  everyMs(config: Config): number
  run(engine: Engine, parts: SweepParts, signal: AbortSignal): Promise<Report>
}

/** How many rounds may fail or hang before the alarm. */
const ROUNDS_BEFORE_ALARM = 3
/** The least time before an alarm, in ms, so that a short interval does not cry at once. */
const ALARM_MS_MIN = 60_000
/** Ticks so far apart, in ms, mean that the process was stopped: that is no sweep that hangs. */
const TICK_GAP_MS = 30_000
/** A pattern of cron may come a little early by the clock that never jumps, in ms. */
const EARLY_MS_MAX = 400

export interface Sweeper {
  /** Begins those of the named sweeps that are due, of all without names. At least once a second: it watches for silence. */
  tick(names?: readonly string[]): void
  /** Runs one sweep to its end now; for tests and for the simulation. */
  run(name: string): Promise<Report>
  /** When each last succeeded, Unix ms. */
  beacons(): Record<string, number>
  stop(): Promise<void>
}

/** A sweep, and how its rounds went. */
interface Row {
  sweep: Sweep
  running: Promise<void> | null
  /** By the clock that never jumps: one that is set back must not keep a sweep waiting. */
  begunMono: number
  succeededMono: number
  /** Unix ms. */
  succeededAt: number
  alarmed: boolean
}

export function createSweeper(engine: Engine, parts: SweepParts, sweeps: readonly Sweep[]): Sweeper {
  const { clock } = engine.world
  const controller = new AbortController()
  const rows = sweeps.map(sweep => newRow(sweep, clock))
  let tickedMono = clock.mono()
  let awakeMono = tickedMono

  async function round(row: Row): Promise<Report> {
    const { name } = row.sweep
    try {
      const report = await row.sweep.run(engine, parts, controller.signal)
      row.succeededAt = clock.now()
      row.succeededMono = clock.mono()
      row.alarmed = false
      if (Object.values(report).some(count => count > 0)) engine.log.info({ sweep: name, ...report }, 'sweep')
      return report
    } catch (thrown) {
      if (controller.signal.aborted) return {}
      engine.log.error({ sweep: name, err: asTdfError(thrown).message }, 'a sweep failed')
      return {}
    }
  }

  function begin(row: Row): void {
    if (row.running || clock.mono() - row.begunMono + EARLY_MS_MAX < row.sweep.everyMs(engine.config)) return
    row.begunMono = clock.mono()
    row.running = round(row).then(() => {
      row.running = null
    })
  }

  /** The absence of success is the alarm: a sweep that hangs says nothing by itself. */
  function watch(row: Row): void {
    const silentMs = clock.mono() - Math.max(row.succeededMono, awakeMono)
    const alarmMs = Math.max(row.sweep.everyMs(engine.config) * ROUNDS_BEFORE_ALARM, ALARM_MS_MIN)
    if (row.alarmed || silentMs < alarmMs) return
    row.alarmed = true
    raiseAlarm(engine, row.sweep.name, silentMs)
  }

  return {
    tick(names) {
      const now = clock.mono()
      if (now - tickedMono > TICK_GAP_MS) awakeMono = now
      tickedMono = now
      for (const row of rows) {
        if (names === undefined || names.includes(row.sweep.name)) begin(row)
        watch(row)
      }
    },
    async run(name) {
      const row = rows.find(({ sweep }) => sweep.name === name)
      return row ? round(row) : {}
    },
    beacons: () => Object.fromEntries(rows.map(({ sweep, succeededAt }) => [sweep.name, succeededAt])),
    async stop() {
      controller.abort(new Error('the daemon stops'))
      await Promise.allSettled(rows.map(({ running }) => running))
    },
  }
}

function newRow(sweep: Sweep, clock: Clock): Row {
  const mono = clock.mono()
  const begunMono = sweep.atStart ? Number.NEGATIVE_INFINITY : mono
  return { sweep, running: null, begunMono, succeededMono: mono, succeededAt: clock.now(), alarmed: false }
}

function raiseAlarm(engine: Engine, name: string, silentMs: number): void {
  const { store, log, world } = engine
  const message = `the sweep "${name}" has not succeeded for ${Math.round(silentMs / 1000)} s`
  log.error({ sweep: name, silentMs }, message)
  const id = `sweep-${name}-${world.clock.now()}`
  store
    .commit(() => recordFailure(engine, { id, source: 'sweep', code: 'SWEEP_SILENT', message }))
    .catch(error => log.error({ err: String(error) }, 'the alarm could not be stored'))
}
