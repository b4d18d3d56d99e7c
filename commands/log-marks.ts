/** When which byte of a log was written: its node notes it twice a second, by its own clock. */
import { TdfError } from '../src/errors.ts'
import type { Cli } from './cli.ts'

export interface Mark {
  /** Unix ms. */
  at: number
  /** The byte that was written then, and those behind it up to the next mark. */
  offset: number
}

export interface LogPlace {
  signal: AbortSignal
  session?: string
}

/** In the order of the log; empty where nobody noted times. Throws AGENT_PROTOCOL when they cannot be read. */
export async function logMarks(cli: Cli, id: string, { signal, session }: LogPlace): Promise<Mark[]> {
  const which = session === undefined ? '' : `?session=${encodeURIComponent(session)}`
  const { body } = await cli.client().raw({ path: `/tasks/${id}/log-times${which}`, signal })
  const lines = body.toString('latin1').trimEnd()
  if (lines === '') return []
  return lines.split('\n').map(line => {
    const [at = Number.NaN, offset = Number.NaN] = line.split(' ').map(Number)
    if (Number.isSafeInteger(at) && Number.isSafeInteger(offset)) return { at, offset }
    throw new TdfError('AGENT_PROTOCOL', `the times of the log of ${id} cannot be read`)
  })
}
