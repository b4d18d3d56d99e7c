/** Slow housekeeping, each job by itself: one that fails or hangs never keeps another from running. */
import cron, { type ScheduledTask } from 'node-cron'
import type { Observability } from '../../src/store/observability.ts'
import type { Engine } from '../deps.ts'
import type { ErrorFlush } from '../flush-errors.ts'
import { retryCleanups } from './cleanups.ts'

export interface SweepParts {
  errors: ErrorFlush
  observability: Observability
}

/** What a sweep did, in numbers, for its log line. */
export type Report = Record<string, number>
export type Sweep = (engine: Engine, parts: SweepParts, signal: AbortSignal) => Promise<Report>

/** Name → when (UTC) → what. */
const SWEEPS: { name: string; schedule: string; run: Sweep }[] = [
  { name: 'cleanups', schedule: '*/30 * * * * *', run: retryCleanups },
  {
    name: 'errors',
    schedule: '* * * * * *',
    run: async (_engine, { errors }) => {
      await errors.flush()
      return {}
    },
  },
]

export function startSweeps(engine: Engine, parts: SweepParts): { stop(): Promise<void> } {
  const controller = new AbortController()
  const running = new Set<Promise<void>>()
  const jobs: ScheduledTask[] = SWEEPS.map(({ name, schedule, run }) =>
    cron.schedule(
      schedule,
      () => {
        const round = sweep(engine, name, () => run(engine, parts, controller.signal))
        running.add(round)
        return round.finally(() => running.delete(round))
      },
      { name, timezone: 'UTC', noOverlap: true },
    ),
  )
  return {
    async stop() {
      controller.abort(new Error('the daemon stops'))
      for (const job of jobs) await job.destroy()
      await Promise.allSettled(running)
    },
  }
}

async function sweep({ log }: Engine, name: string, run: () => Promise<Report>): Promise<void> {
  try {
    const report = await run()
    if (Object.values(report).some(count => count > 0)) log.info({ sweep: name, ...report }, 'sweep')
  } catch (error) {
    log.error({ sweep: name, err: String(error) }, 'a sweep failed')
  }
}
