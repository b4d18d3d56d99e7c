/** All of what a pane shows, for a pager: the log from its first byte, as readable and as harmless as on the screen. */
import { eventText } from '../event-text.ts'
import type { EventJson, TaskJson } from '../protocol/control.ts'
import { sanitize } from '../sanitize.ts'
import { renderer } from '../transcript/render.ts'
import type { Pane } from './model.ts'
import type { Parts } from './parts.ts'

type Source = Pick<Parts, 'remote' | 'signal'>

/** In pieces, since a log may have megabytes. */
export async function* fullText(from: Source, id: string, pane: Pane): AsyncGenerator<string> {
  const { remote, signal } = from
  switch (pane) {
    case 'log':
      yield* wholeLog(from, id)
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

async function* wholeLog({ remote, signal }: Source, id: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const render = renderer()
  // A sequence may be cut anywhere: only whole lines are cleaned.
  let held = ''
  for (let after = 0; ; ) {
    const { body } = await remote.raw({ path: `/tasks/${id}/logs?after=${after}`, signal })
    if (body.length === 0) break
    after += body.length
    const text = held + render.push(decoder.decode(body, { stream: true }))
    const end = text.lastIndexOf('\n') + 1
    held = text.slice(end)
    yield sanitize(text.slice(0, end))
  }
  yield sanitize(held + render.rest())
}
