/** `s`: the plain log of a task on the ordinary screen, where one can scroll and copy, until `s` or `q` is pressed. */
import type { TaskJson } from '../protocol/control.ts'
import { renderer } from '../transcript/render.ts'
import { sleep } from '../world.ts'
import { appendLog, EMPTY_LOG, linesOf } from './log.ts'
import type { Parts } from './parts.ts'
import type { Streams } from './terminal.ts'

const LOOK_MS = 500
/** Also Ctrl-C and escape. */
const BACK = ['s', 'q', '\x03', '\x1b']

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
