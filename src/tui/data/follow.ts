/** Follows the task under the cursor: why it waits, its events, its log, and what a pane wants to show. */
import { sleep } from '../../platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../protocol/control.ts'
import { renderer } from '../../transcript/render.ts'
import { type Detail, focusOf, type Row } from '../state/model.ts'
import { isEnded } from '../state/states.ts'
import type { Parts } from './remote.ts'

/** A cursor that runs down the list is not followed. */
const SETTLE_MS = 120
const LOOK_MS = 500
const WHY_MS = 5_000
/** Of a long log the end is read, in bytes. */
const TAIL_BYTES = 1024 * 1024
const DIFF_CHARS_MAX = 1024 * 1024

export function followFocus(parts: Parts): void {
  const { store, signal } = parts
  let stop = new AbortController()
  let id: string | null = null
  const begin = () => {
    const next = focusOf(store.get())
    if (next === id || (next === null && store.get().view !== 'tasks')) return
    id = next
    stop.abort()
    stop = new AbortController()
    store.dispatch({ kind: 'focus', id })
    if (id !== null) void followTask({ ...parts, signal: AbortSignal.any([signal, stop.signal]) }, id)
  }
  begin()
  const unsubscribe = store.subscribe(begin)
  signal.addEventListener('abort', unsubscribe, { once: true })
}

async function followTask(parts: Parts, id: string): Promise<void> {
  const { store, remote, clock, signal } = parts
  const log = logReader(parts, id)
  let seenRow: Row | undefined
  let whyAt = Number.NEGATIVE_INFINITY
  const update = (facts: Partial<Pick<Detail, 'events' | 'why' | 'prompt' | 'diff'>>) => {
    if (!signal.aborted) store.dispatch({ kind: 'detail', id, facts })
  }
  await sleep(clock, SETTLE_MS, signal).catch(() => {})
  const events = await remote.call<EventJson[]>({ path: `/tasks/${id}/events`, signal }).catch(() => [])
  update({ events })
  while (!signal.aborted) {
    const model = store.get()
    const row = model.rows.get(id)
    if (row && model.awaySince === null) {
      const isDue = row !== seenRow || clock.mono() - whyAt > WHY_MS
      if (isDue) {
        const why = await remote.call<WhyJson>({ path: `/tasks/${id}/why`, signal }).catch(() => null)
        update({ why })
        whyAt = clock.mono()
        await log.read(row.task.session?.id ?? null)
      } else if (!isEnded(row.task) || !log.isRead()) await log.read(row.task.session?.id ?? null)
      seenRow = row
      if (model.isOpen && model.pane === 'prompt' && model.detail?.prompt === null) {
        const task = await remote.call<TaskJson>({ path: `/tasks/${id}`, signal }).catch(() => null)
        update({ prompt: task?.prompt ?? '' })
      }
      if (model.isOpen && model.pane === 'diff' && model.detail?.diff === null && row.task.result) {
        const diff = await remote.text({ path: `/tasks/${id}/diff`, signal }).catch((error: Error) => error.message)
        update({ diff: diff.slice(0, DIFF_CHARS_MAX) })
      }
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}

/** Reads on from where it was; another session begins anew. Failures are tried again at the next look. */
function logReader({ store, remote, signal }: Parts, id: string) {
  let session: string | null | undefined
  let after = 0
  let isRead = false
  let decoder = new TextDecoder()
  let render = renderer()

  async function read(newest: string | null): Promise<void> {
    const isAnew = newest !== session
    if (isAnew) {
      session = newest
      after = 0
      decoder = new TextDecoder()
      render = renderer()
    }
    const tail: Buffer[] = []
    let bytes = 0
    let isCut = false
    for (;;) {
      const reply = await remote.raw({ path: `/tasks/${id}/logs?after=${after}`, signal }).catch(() => null)
      if (!reply || signal.aborted) break
      isRead = reply.body.length === 0
      if (isRead) break
      after += reply.body.length
      tail.push(reply.body)
      bytes += reply.body.length
      while (bytes - (tail[0]?.length ?? 0) > TAIL_BYTES) {
        bytes -= tail.shift()?.length ?? 0
        isCut = true
      }
    }
    if (signal.aborted || (tail.length === 0 && !isAnew)) return
    const text = decoder.decode(Buffer.concat(tail), { stream: true })
    // A stream that is read from its middle begins with half a line, which is dropped.
    if (isCut) render = renderer()
    const whole = isCut ? text.slice(text.indexOf('\n') + 1) : text
    store.dispatch({ kind: 'log', id, isAnew, text: render.push(whole) })
  }
  return { read, isRead: () => isRead }
}
