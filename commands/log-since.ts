/** Where in a log a time begins. */
import { realWorld } from '../src/world.ts'
import { type Cli, say } from './cli.ts'
import { type LogPlace, logMarks } from './log-marks.ts'
import { tailOffset } from './log-tail.ts'

/** The first byte that was written within the last `ms`. Everything, and a word about it, where nobody noted times. */
export async function sinceOffset(cli: Cli, id: string, ms: number, place: LogPlace): Promise<number> {
  const from = realWorld().clock.now() - ms
  const marks = await logMarks(cli, id, place)
  const end = await tailOffset(cli, id, 0, place)
  if (marks.length === 0) {
    if (end > 0) say(cli, 'nobody noted when this log was written; all of it follows')
    return 0
  }
  const mark = marks.find(({ at }) => at >= from)
  return mark === undefined ? end : Math.min(mark.offset, end)
}
