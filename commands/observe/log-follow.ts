/** The output of a session as it comes, piece by piece into a sink. */
import { isAway } from '../../src/clients/control.ts'
import { isOver } from '../../src/core/task.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import type { Cli } from '../cli/cli.ts'
import type { LogSink } from './log-sink.ts'

const LOOK_MS = 500

export interface LogOptions {
  signal: AbortSignal
  sink: LogSink
  session?: string
  /** The byte to begin with; the first when undefined. */
  after?: number
}

export interface FollowedLog {
  /** Resolves when the task is over and its last byte was shown, with the number of bytes that there are. */
  finished(): Promise<number>
  /** Resolves when what had been printed until now is shown, or cannot be had. */
  caughtUp(): Promise<void>
}

export function followLog(cli: Cli, id: string, options: LogOptions): FollowedLog {
  let after = options.after ?? 0
  /** One copy after the other: two at once would show the same bytes. */
  let copying: Promise<unknown> = Promise.resolve()
  const copy = () => {
    const next = copying.then(async () => {
      after = await copyLog(cli, id, { ...options, after })
    })
    copying = next.catch(() => {})
    return next
  }
  const end = follow(cli, id, options.signal, copy).then(() => after)
  // The failure reaches the caller that waits for the end, and no other.
  end.catch(() => {})
  return { finished: () => end, caughtUp: () => copy().catch(() => {}) }
}

async function follow(cli: Cli, id: string, signal: AbortSignal, copy: () => Promise<void>): Promise<void> {
  const { clock } = realWorld()
  while (!signal.aborted) {
    try {
      const task = await cli.client().call<TaskJson>({ path: `/tasks/${id}`, signal })
      await copy()
      if (isOver(task) || task.step === 'awaiting_followup') return
    } catch (thrown) {
      if (signal.aborted) return
      // The daemon may be starting anew; the log is not lost by that.
      if (!isAway(thrown)) throw thrown
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}

/** Everything that there is from `after` on. Answers where to go on. */
export async function copyLog(cli: Cli, id: string, options: LogOptions): Promise<number> {
  const { signal, session, sink } = options
  let after = options.after ?? 0
  for (;;) {
    const which = session === undefined ? '' : `&session=${encodeURIComponent(session)}`
    const reply = await cli.client().raw({ path: `/tasks/${id}/logs?after=${after}${which}`, signal })
    const next = Number(reply.headers['x-next-offset'] ?? after)
    if (reply.body.length === 0 || next <= after) return after
    await sink.push(reply.body, after)
    after = next
  }
}
