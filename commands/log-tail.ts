/** Where the last lines of a log begin. The daemon knows bytes; lines are counted here. */
import type { Cli } from './cli.ts'

const NEWLINE = 10

/** The offset in bytes behind which there are `lines` lines, or as many as there are. */
export async function tailOffset(
  cli: Cli,
  id: string,
  lines: number,
  { signal, session }: { signal: AbortSignal; session?: string },
): Promise<number> {
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
