/** Keeps schedules true while they are looked at: they change without an event. */
import { sleep } from '../../platform/world.ts'
import type { ScheduleJson } from '../../protocol/upkeep.ts'
import type { Parts } from './remote.ts'

const LOOK_MS = 250
const READ_MS = 2_000

export async function keepSchedules(parts: Parts): Promise<void> {
  const { store, clock, signal } = parts
  let readAt = Number.NEGATIVE_INFINITY
  let shown: string | null = null
  while (!signal.aborted) {
    const { view, open, awaySince } = store.get()
    const isDue = clock.mono() - readAt >= READ_MS || open !== shown
    if (view === 'schedules' && awaySince === null && isDue) {
      shown = open
      readAt = clock.mono()
      await readSchedules(parts)
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}

/** All of them, and of the one that is open what became of its instants. */
export async function readSchedules({ store, remote, signal }: Parts): Promise<void> {
  const listed = await remote.call<ScheduleJson[]>({ path: '/schedules', signal }).catch(() => null)
  const { view, open } = store.get()
  const path = `/schedules/${encodeURIComponent(open ?? '')}`
  const whole =
    view === 'schedules' && open !== null ? await remote.call<ScheduleJson>({ path, signal }).catch(() => null) : null
  if (!listed || signal.aborted) return
  const schedules = listed.map(schedule => (schedule.name === whole?.name ? whole : schedule))
  store.dispatch({ kind: 'schedules', schedules })
}
