/** Follows the open task, or that under the cursor: why it waits, its events, its log, and what a pane wants to show. */
import { sleep } from '../../platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../protocol/control.ts'
import { failureOf } from '../../text/failure.ts'
import { type Detail, focusOf, isTaskOpen, type Model, type Row } from '../state/model.ts'
import { isEnded } from '../state/states.ts'
import { logReader } from './log-reader.ts'
import type { Parts } from './remote.ts'

/** A cursor that runs down the list is not followed. */
const SETTLE_MS = 120
const LOOK_MS = 500
const WHY_MS = 5_000
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
      const { hasTimes } = model
      const isDue = row !== seenRow || clock.mono() - whyAt > WHY_MS
      if (isDue) {
        const why = await remote.call<WhyJson>({ path: `/tasks/${id}/why`, signal }).catch(() => null)
        update(parts, id, { why })
        whyAt = clock.mono()
      }
      const isLive = isDue || !isEnded(row.task)
      if (isLive || !log.isRead(hasTimes)) await log.read(row.task, hasTimes)
      if (wantsCheck(model, row) && (isLive || !check.isRead(hasTimes))) await check.read(row.task, hasTimes)
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
