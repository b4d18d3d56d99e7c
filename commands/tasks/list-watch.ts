/** `ls --watch`: the list again whenever something changed; in place on a terminal, one below the other in a pipe. */
import { streamEvents } from '../../src/clients/events.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { Cli } from '../cli/cli.ts'
import { backOver, refreshSize, rowsOf } from '../cli/progress/live-lines.ts'
import { catchInterrupt } from './wait-run.ts'

/** A burst of events is one list. */
const SETTLE_MS = 300
/** Ages go on without an event. */
const AGES_MS = 10_000

/** `text` is the whole list as it is now. Until somebody has enough: 130. */
export async function watchList(cli: Cli, text: () => Promise<string>): Promise<void> {
  const { clock } = realWorld()
  const interrupt = catchInterrupt()
  const { stdout } = cli
  const isInPlace = stdout.isTTY && cli.env.TERM !== 'dumb'
  let shown: string | null = null
  /** As they stand on the terminal. */
  let drawn: readonly string[] = []
  const show = async () => {
    refreshSize(stdout)
    const next = await text()
    if (next === shown) return
    shown = next
    if (!isInPlace) return void stdout.write(next)
    // In one write, so that nobody sees a half of it; no more lines than the window has, since what left it stays as it was.
    const columns = stdout.columns || 80
    const above = rowsOf(drawn, columns)
    drawn = next
      .trimEnd()
      .split('\n')
      .slice(0, Math.max((stdout.rows || 24) - 2, 1))
    stdout.write(`${backOver(above)}${drawn.join('\n')}\n`)
  }
  const ending = new AbortController()
  const signal = AbortSignal.any([interrupt.signal, ending.signal])
  try {
    await show()
    if (isInPlace) void keepAges()
    for await (const { kind } of streamEvents(cli.client(), { after: 'now', signal })) {
      if (kind === 'away') continue
      await sleep(clock, SETTLE_MS, signal)
      await show()
    }
  } catch (thrown) {
    if (!interrupt.signal.aborted) throw thrown
  } finally {
    ending.abort()
    interrupt.done()
  }
  cli.exitCode = 130

  async function keepAges(): Promise<void> {
    while (!signal.aborted) {
      await sleep(clock, AGES_MS, signal).catch(() => {})
      // The daemon may be away; who follows its events says so.
      if (!signal.aborted) await show().catch(() => {})
    }
  }
}
