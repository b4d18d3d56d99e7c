/** Where in a log a time begins. Its node has noted when which byte was written, by its own clock. */
import { TdfError } from '../src/errors.ts'
import { realWorld } from '../src/world.ts'
import { type Cli, say } from './cli.ts'
import { tailOffset } from './log-tail.ts'

/** The first byte that was written within the last `ms`. Everything, and a word about it, where nobody noted times. */
export async function sinceOffset(
  cli: Cli,
  id: string,
  ms: number,
  place: { signal: AbortSignal; session?: string },
): Promise<number> {
  const which = place.session === undefined ? '' : `?session=${encodeURIComponent(place.session)}`
  const { body } = await cli.client().raw({ path: `/tasks/${id}/log-times${which}`, signal: place.signal })
  const from = realWorld().clock.now() - ms
  const marks = body
    .toString('latin1')
    .trimEnd()
    .split('\n')
    .map(line => line.split(' ').map(Number))
  const end = await tailOffset(cli, id, 0, place)
  if (body.length === 0) {
    if (end > 0) say(cli, 'nobody noted when this log was written; all of it follows')
    return 0
  }
  const mark = marks.find(([at = 0]) => at >= from)
  if (mark === undefined) return end
  const [, offset = Number.NaN] = mark
  if (Number.isSafeInteger(offset)) return Math.min(offset, end)
  throw new TdfError('AGENT_PROTOCOL', `the times of the log of ${id} cannot be read`)
}
