/** Follows the open task, or that under the cursor: why it waits, its events, its log, and what a pane wants to show. */
import { sleep } from '../../platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../protocol/control.ts'
import { failureOf } from '../../text/failure.ts'
import { renderer } from '../../transcript/render.ts'
import { type Detail, focusOf, isTaskOpen, type Model, type Row } from '../state/model.ts'
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
  const log = logReader(parts, id, 'log')
  const check = logReader(parts, id, 'check')
  let seenRow: Row | undefined
  let whyAt = Number.NEGATIVE_INFINITY
  await sleep(clock, SETTLE_MS, signal).catch(() => {})
  const events = await remote.call<EventJson[]>({ path: `/tasks/${id}/events`, signal }).catch(() => [])
  update(parts, id, { events })
  while (!signal.aborted) {
    const model = store.get()
    const row = model.rows.get(id)
    if (row && model.awaySince === null) {
      const session = row.task.session?.id ?? null
      const isDue = row !== seenRow || clock.mono() - whyAt > WHY_MS
      if (isDue) {
        const why = await remote.call<WhyJson>({ path: `/tasks/${id}/why`, signal }).catch(() => null)
        update(parts, id, { why })
        whyAt = clock.mono()
      }
      if (isDue || !isEnded(row.task) || !log.isRead()) await log.read(session)
      if (wantsCheck(model, row) && (isDue || !isEnded(row.task) || !check.isRead())) await check.read(session)
      seenRow = row
      await readForPane(parts, id, row)
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}

function update({ store, signal }: Parts, id: string, facts: Partial<Omit<Detail, 'id' | 'log' | 'check'>>): void {
  if (!signal.aborted) store.dispatch({ kind: 'detail', id, facts })
}

/** Its pane is shown, or it is what failed. */
function wantsCheck(model: Model, { task }: Row): boolean {
  return (isTaskOpen(model) && model.pane === 'check') || failureOf(task)?.session === 'check'
}

/** What is read once: the prompt and the diff when they are shown, and what a set-up printed that failed. */
async function readForPane(parts: Parts, id: string, { task }: Row): Promise<void> {
  const { store, remote, signal } = parts
  const { pane, detail, ...model } = store.get()
  if (detail?.tail === null && failureOf(task)?.session === 'setup') {
    const tail = await remote.text({ path: `/tasks/${id}/logs?session=setup`, signal }).catch(() => '')
    update(parts, id, { tail })
  }
  if (!isTaskOpen(model)) return
  if (pane === 'prompt' && detail?.prompt === null) {
    const read = await remote.call<TaskJson>({ path: `/tasks/${id}`, signal }).catch(() => null)
    update(parts, id, { prompt: read?.prompt ?? '' })
  }
  if (pane === 'diff' && detail?.diff === null && task.result) {
    const diff = await remote.text({ path: `/tasks/${id}/diff`, signal }).catch((error: Error) => error.message)
    update(parts, id, { diff: diff.slice(0, DIFF_CHARS_MAX) })
  }
}

/** Reads on from where it was; another session begins anew. Failures are tried again at the next look. */
function logReader({ store, remote, signal }: Parts, id: string, of: 'log' | 'check') {
  const which = of === 'check' ? '&session=check' : ''
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
      const reply = await remote.raw({ path: `/tasks/${id}/logs?after=${after}${which}`, signal }).catch(() => null)
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
    store.dispatch({ kind: 'log', id, of, isAnew, text: render.push(whole) })
  }
  return { read, isRead: () => isRead }
}
