/** An agent's output as it comes: byte for byte in a pipe; readable, and made harmless, on a terminal. */
import { TdfError } from '../../src/core/errors.ts'
import { isOver } from '../../src/core/task.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { sanitize } from '../../src/text/sanitize.ts'
import { type Renderer, renderer } from '../../src/transcript/render.ts'
import type { Cli } from '../cli/cli.ts'
import type { StampedLine, Stamps } from './log-times.ts'

const LOOK_MS = 500

export interface LogOptions {
  signal: AbortSignal
  to: NodeJS.WriteStream
  session?: string
  /** Bytes from the end to begin with; everything when undefined. */
  after?: number
  /** Makes an agent's stream readable; goes on where the last piece ended. */
  render?: Renderer
  /** Puts the time before each line. */
  stamps?: Stamps
}

export interface FollowedLog {
  /** Resolves when the task is over and its last byte was shown, with the number of bytes that there are. */
  finished(): Promise<number>
}

export function followLog(cli: Cli, id: string, options: LogOptions): FollowedLog {
  const end = follow(cli, id, options)
  // The failure reaches the caller that waits for the end, and no other.
  end.catch(() => {})
  return { finished: () => end }
}

async function follow(cli: Cli, id: string, options: LogOptions): Promise<number> {
  const { clock } = realWorld()
  let after = options.after ?? 0
  const render = options.render ?? renderer()
  while (!options.signal.aborted) {
    try {
      const task = await cli.client().call<TaskJson>({ path: `/tasks/${id}`, signal: options.signal })
      after = await copyLog(cli, id, { ...options, after, render })
      if (isOver(task) || task.step === 'awaiting_followup') return after
    } catch (thrown) {
      if (options.signal.aborted) return after
      // The daemon may be starting anew; the log is not lost by that.
      if (!(thrown instanceof TdfError) || thrown.code !== 'DAEMON_UNREACHABLE') throw thrown
    }
    await sleep(clock, LOOK_MS, options.signal).catch(() => {})
  }
  return after
}

/** Everything that there is from `after` on. Answers where to go on. */
export async function copyLog(cli: Cli, id: string, options: LogOptions): Promise<number> {
  const { signal, to, session, render = renderer() } = options
  const decoder = new TextDecoder()
  let after = options.after ?? 0
  for (;;) {
    const which = session === undefined ? '' : `&session=${encodeURIComponent(session)}`
    const reply = await cli.client().raw({ path: `/tasks/${id}/logs?after=${after}${which}`, signal })
    const next = Number(reply.headers['x-next-offset'] ?? after)
    if (reply.body.length === 0 || next <= after) return after
    if (options.stamps) await writeStamped(to, await options.stamps.split(reply.body, after), render)
    else await write(to, to.isTTY ? sanitize(render.push(decoder.decode(reply.body, { stream: true }))) : reply.body)
    after = next
  }
}

/** On a terminal a line may become several, or none. */
export async function writeStamped(
  to: NodeJS.WriteStream,
  lines: readonly StampedLine[],
  render: Renderer,
): Promise<void> {
  if (lines.length === 0) return
  if (!to.isTTY) return write(to, Buffer.concat(lines.flatMap(({ stamp, line }) => [Buffer.from(stamp), line])))
  const shown = lines.map(({ stamp, line }) => sanitize(render.push(line.toString('utf8'))).replace(/^(?=.)/gm, stamp))
  await write(to, shown.join(''))
}

function write(to: NodeJS.WriteStream, chunk: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => to.write(chunk, error => (error ? reject(error) : resolve())))
}
