/** The sweeps that look after the disk: room, reserve, backups. */
import type { Sweep } from '../sweeps/sweep.ts'
import type { Backups } from './backups.ts'
import type { Disk } from './disk.ts'

const LOOK_MS = 10_000
const BACKUP_LOOK_MS = 600_000

export function careSweeps(disk: Disk, backups: Backups): Sweep[] {
  return [
    {
      name: 'disk',
      everyMs: () => LOOK_MS,
      async run() {
        disk.look()
        await disk.keepReserve()
        return {}
      },
    },
    {
      name: 'backup',
      everyMs: config => Math.min(config.backups.interval, BACKUP_LOOK_MS),
      async run({ config, world }) {
        const { interval, keep } = config.backups
        const [newest] = (await backups.list()).filter(({ name }) => name.startsWith('tdf-'))
        const isDue = !newest || world.clock.now() - Date.parse(newest.at) >= interval
        if (keep === 0 || !isDue) return { removed: await backups.prune(keep) }
        await backups.make()
        return { made: 1, removed: await backups.prune(keep) }
      },
    },
  ]
}
