/**
 * One line that says what a command does while it takes a while: rewritten on a terminal, written now and then in a pipe. Work
 * that is done at once shows nothing.
 */
import { type Cancel, realWorld } from '../../../src/platform/world.ts'
import { type Cli, type Format, say } from '../cli.ts'
import { liveLines } from './live-lines.ts'

export interface Activity {
  /** What goes on from now on, as often as it changes. */
  show(text: string): void
  /** A message that stays, above the line. */
  say(text: string): void
  /** Takes the line away. */
  end(): void
}

const BEGINS_MS = 500
const REDRAWN_MS = 100
const REPEATED_MS = 5_000

/** Silent in forms that programs read. */
export function activityOf(cli: Cli, format: Format): Activity {
  if (format !== 'table' && format !== 'wide') return { show: () => {}, say: text => say(cli, text), end: () => {} }
  const { clock } = realWorld()
  const isLive = cli.stderr.isTTY && cli.env.TERM !== 'dumb'
  const lines = isLive ? liveLines(cli.stderr) : undefined
  let text = ''
  let drawn = ''
  let cancel: Cancel | undefined
  let isEnded = false

  function draw(): void {
    cancel = clock.timer(isLive ? REDRAWN_MS : REPEATED_MS, draw)
    if (text === drawn) return
    drawn = text
    if (lines) lines.show([text])
    else say(cli, text)
  }

  return {
    show(next) {
      // A program that is gone may still have said something: a line that began again would keep the process alive.
      if (isEnded) return
      text = next
      cancel ??= clock.timer(BEGINS_MS, draw)
    },
    say: message => (lines ? lines.print(message) : say(cli, message)),
    end() {
      isEnded = true
      cancel?.()
      lines?.end()
    },
  }
}
