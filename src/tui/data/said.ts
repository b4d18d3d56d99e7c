/**
 * The last line of each agent on the screen, and of what failed the line that says how. Of a log its end is read, a
 * piece at a time; where it ends is known from the times at which it was written.
 */
import { sleep } from '../../platform/world.ts'
import { failureOf } from '../../text/failure.ts'
import { renderer } from '../../transcript/render.ts'
import type { Model, Row } from '../state/model.ts'
import { listHeight } from '../state/order.ts'
import { causeIn, lastLine } from '../state/said.ts'
import type { Parts } from './remote.ts'

const LOOK_MS = 5_000
/** A log that is larger and whose times are not known says nothing. */
const PIECES_MAX = 16
/** Of what failed so much of the end is read, in bytes; the cause is seldom further up. */
const END_BYTES = 64 * 1024

/** How far a log was read. */
interface Reading {
  session: string
  after: number
  render: ReturnType<typeof renderer>
  decoder: InstanceType<typeof TextDecoder>
}

export async function keepSaid(parts: Parts): Promise<void> {
  const { store, clock, signal } = parts
  const readings = new Map<string, Reading>()
  const said = new Map<string, string>()
  /** Of failures, which do not change: the attempts that were read. */
  const causes = new Set<string>()
  while (!signal.aborted) {
    const model = store.get()
    const rows = model.awaySince === null ? onScreen(model) : []
    for (const row of rows) {
      if (signal.aborted) return
      const { id, attempt, step, session } = row.task
      const key = `${id}-${attempt}`
      if (isSpeaking(row) && session) await readOn(parts, row, readings, said)
      else if (failureOf(row.task) && step === null && !causes.has(key)) {
        causes.add(key)
        await readCause(parts, row, said)
      }
    }
    const shown = new Set(rows.map(({ task }) => task.id))
    for (const known of [readings, said]) for (const id of known.keys()) if (!shown.has(id)) forget(id, known, causes)
    if (isNews(model.said, said)) store.dispatch({ kind: 'said', lines: new Map(said) })
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}

function forget(id: string, known: Map<string, unknown>, causes: Set<string>): void {
  known.delete(id)
  for (const key of causes) if (key.startsWith(`${id}-`)) causes.delete(key)
}

function isNews(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): boolean {
  return before.size !== now.size || [...now].some(([id, line]) => before.get(id) !== line)
}

function onScreen(model: Model): Row[] {
  const { view, open, list, rows } = model
  if (view !== 'tasks' || open !== null) return []
  return list.order.slice(list.top, list.top + listHeight(model)).flatMap(id => rows.get(id) ?? [])
}

const isSpeaking = ({ task: { step } }: Row) => step === 'running' || step === 'awaiting_followup'

async function readOn(
  { remote, signal }: Parts,
  { task: { id, session } }: Row,
  readings: Map<string, Reading>,
  said: Map<string, string>,
): Promise<void> {
  const name = session?.id ?? ''
  const before = readings.get(id)
  const reading =
    before?.session === name ? before : { ...anew(), session: name, after: await endOf({ remote, signal }, id, '') }
  for (let pieces = 0; pieces < PIECES_MAX; pieces += 1) {
    const path = `/tasks/${id}/logs?after=${reading.after}`
    const { body } = (await remote.raw({ path, signal }).catch(() => null)) ?? { body: Buffer.alloc(0) }
    if (body.length === 0) break
    reading.after += body.length
    const line = lastLine(reading.render.push(reading.decoder.decode(body, { stream: true })))
    if (line !== null) said.set(id, line)
  }
  readings.set(id, reading)
}

const anew = () => ({ render: renderer(), decoder: new TextDecoder() })

/** Where what was written last begins; 0 where the times are not known. */
async function endOf(
  { remote, signal }: Pick<Parts, 'remote' | 'signal'>,
  id: string,
  which: string,
  back = 0,
): Promise<number> {
  const times = await remote.raw({ path: `/tasks/${id}/log-times?${which}`, signal }).catch(() => null)
  const last = Number(times?.body.toString('latin1').trimEnd().split('\n').at(-1)?.split(' ')[1])
  return Number.isSafeInteger(last) ? Math.max(last - back, 0) : 0
}

async function readCause({ remote, signal }: Parts, { task }: Row, said: Map<string, string>): Promise<void> {
  const session = failureOf(task)?.session
  if (session === null) return
  const which = session === undefined ? '' : `&session=${session}`
  let text = ''
  let after = await endOf({ remote, signal }, task.id, which, END_BYTES)
  for (let pieces = 0; pieces < PIECES_MAX; pieces += 1) {
    const path = `/tasks/${task.id}/logs?after=${after}${which}`
    const { body } = (await remote.raw({ path, signal }).catch(() => null)) ?? { body: Buffer.alloc(0) }
    if (body.length === 0) break
    after += body.length
    text = (text + body.toString('utf8')).slice(-END_BYTES)
  }
  const render = renderer()
  const cause = causeIn(render.push(text) + render.rest())
  if (cause !== null) said.set(task.id, cause)
}
