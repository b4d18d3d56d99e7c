/** Where in a log what was written lately begins, and its last lines. */
import { type LogPlace, logMarks } from '../../src/clients/log-times.ts'
import { realWorld } from '../../src/platform/world.ts'
import { type Cli, say } from '../cli/cli.ts'

const NEWLINE = 10

/** The first byte that was written within the last `ms`; 0, with a message, for a log without times. */
export async function sinceOffset(cli: Cli, id: string, ms: number, place: LogPlace): Promise<number> {
  const from = realWorld().clock.now() - ms
  const marks = await logMarks(cli.client(), id, place)
  const end = await tailOffset(cli, id, 0, place)
  if (marks.length === 0) {
    if (end > 0) say(cli, 'the times of this log are not known; all of it follows')
    return 0
  }
  const mark = marks.find(({ at }) => at >= from)
  return mark === undefined ? end : Math.min(mark.offset, end)
}

/**
 * The offset in bytes behind which there are `lines` lines, or as many as there are. The daemon knows bytes; lines are counted
 * here.
 */
export async function tailOffset(cli: Cli, id: string, lines: number, { signal, session }: LogPlace): Promise<number> {
  const which = session === undefined ? '' : `&session=${encodeURIComponent(session)}`
  /** Where lines begin, the newest `lines` + 1 of them. */
  let starts = [0]
  let end = 0
  for (;;) {
    const { body } = await cli.client().raw({ path: `/tasks/${id}/logs?after=${end}${which}`, signal })
    if (body.length === 0) break
    for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) starts.push(end + at + 1)
    end += body.length
    starts = starts.slice(-lines - 1)
  }
  // Behind the last newline nothing may have come yet: then no line begins there.
  const begun = starts.filter(start => start < end)
  return lines === 0 ? end : (begun.at(-lines) ?? begun[0] ?? 0)
}
