/** All of what a pane shows, for a pager: the log from its first byte, as readable and as harmless as on the screen. */
import { sleep } from '../../platform/world.ts'
import type { EventJson, TaskJson } from '../../protocol/control.ts'
import { eventText } from '../../text/events.ts'
import { sanitize } from '../../text/sanitize.ts'
import { renderer } from '../../transcript/render.ts'
import { appendLog, EMPTY_LOG, linesOf } from '../state/log.ts'
import type { Pane } from '../state/prompt.ts'
import type { Streams } from '../terminal/terminal.ts'
import { type LogPlace, logText } from './log-text.ts'
import type { Parts } from './remote.ts'

type Source = Pick<Parts, 'remote' | 'signal' | 'store'>

/** In pieces, since a log may have megabytes. */
export async function* fullText({ remote, signal, store }: Source, id: string, pane: Pane): AsyncGenerator<string> {
  switch (pane) {
    case 'log':
    case 'check':
      yield* wholeLog({ remote, signal, id, of: pane }, store.get().hasTimes)
      return
    case 'diff':
      yield await remote.text({ path: `/tasks/${id}/diff`, signal })
      return
    case 'events': {
      const events = await remote.call<EventJson[]>({ path: `/tasks/${id}/events`, signal })
      yield events.map(event => `${event.at}  ${event.type.padEnd(12)}  ${eventText(event)}\n`).join('')
      return
    }
    case 'prompt':
      yield `${(await remote.call<TaskJson>({ path: `/tasks/${id}`, signal })).prompt}\n`
  }
}

async function* wholeLog(place: LogPlace, hasTimes: boolean): AsyncGenerator<string> {
  const { remote, signal, id, of } = place
  const which = of === 'check' ? '&session=check' : ''
  const log = logText(place, hasTimes)
  // A sequence may be cut anywhere: only whole lines are cleaned.
  let held = ''
  for (let after = 0; ; ) {
    const { body } = await remote.raw({ path: `/tasks/${id}/logs?after=${after}${which}`, signal })
    if (body.length === 0) break
    const text = held + (await log.push(body, after))
    after += body.length
    const end = text.lastIndexOf('\n') + 1
    held = text.slice(end)
    yield sanitize(text.slice(0, end))
  }
  yield sanitize(held + log.rest())
}

const LOOK_MS = 500
/** Also Ctrl-C and escape. */
const BACK = ['s', 'q', '\x03', '\x1b']

/**
 * `s`: the plain log of a task on the ordinary screen, where the terminal scrolls and copies, until one of `BACK` is
 * pressed.
 */
export async function streamLog(parts: Parts & Streams, id: string): Promise<void> {
  const { remote, clock, stdin, stdout } = parts
  const stopped = new AbortController()
  const signal = AbortSignal.any([parts.signal, stopped.signal])
  const onKey = (chunk: Buffer | string) => {
    if ([...String(chunk)].some(key => BACK.includes(key))) stopped.abort()
  }
  stdin.setRawMode(true)
  stdin.ref()
  stdin.resume()
  stdin.on('data', onKey)
  try {
    const { title } = await remote.call<TaskJson>({ path: `/tasks/${id}`, signal })
    stdout.write(`\r\n== ${id} ${title.replace(/\s+/g, ' ')}: s goes back ==\r\n`)
    const decoder = new TextDecoder()
    const render = renderer()
    let log = EMPTY_LOG
    for (let after = 0; !signal.aborted; ) {
      const reply = await remote.raw({ path: `/tasks/${id}/logs?after=${after}`, signal })
      after += reply.body.length
      log = appendLog({ ...log, lines: [] }, render.push(decoder.decode(reply.body, { stream: true })))
      if (log.lines.length > 0) stdout.write(`${log.lines.join('\r\n')}\r\n`)
      if (reply.body.length === 0) await sleep(clock, LOOK_MS, signal)
    }
    stdout.write(`${linesOf({ ...log, lines: [] }).join('\r\n')}\r\n`)
  } finally {
    stdin.off('data', onKey)
    stdin.setRawMode(false)
  }
}
