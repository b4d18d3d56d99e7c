/** Keeps the model true: a snapshot, the journal behind it, and the rows on the screen. */
import { sleep } from '../../platform/world.ts'
import type { EventJson, NodeJson } from '../../protocol/control.ts'
import type { ScreenRowJson, SnapshotJson, SpentJson } from '../../protocol/screen.ts'
import type { Model, Row } from '../state/model.ts'
import { listHeight } from '../state/order.ts'
import { isEnded } from '../state/states.ts'
import type { Parts } from './remote.ts'

/** Events are put into the model in batches: each costs a copy of the rows. */
const BATCH_MS = 100
const LOOK_MS = 250
/** Why a task waits changes without an event: as its place in the queue does. */
const WAITING_MS = 5_000
const NODES_MS = 1_000
/** Heartbeats are no events; a node that is looked at shows them. */
const LOAD_MS = 5_000
const SPENT_MS = 10_000
const ASKED_MAX = 100
const HISTORY = 500

/** Reads the first snapshot; throws what the daemon answers, as every command does. */
export async function readSnapshot({ store, remote, signal }: Parts): Promise<number> {
  const snapshot = await remote.call<SnapshotJson>({ path: '/snapshot', signal })
  store.dispatch({ kind: 'snapshot', snapshot })
  return snapshot.seq
}

/** What led there, for the journal: nothing is lost when it cannot be had. */
export async function readHistory({ store, remote, signal }: Parts, seq: number): Promise<void> {
  const path = `/events?after=${Math.max(seq - HISTORY, 0)}`
  const events = await remote.call<EventJson[]>({ path, signal }).catch(() => [])
  store.dispatch({ kind: 'history', events: events.filter(event => event.seq <= seq) })
}

/** Follows the journal until the dashboard is left. A daemon that is away is waited for. */
export async function followJournal(parts: Parts, after: number): Promise<void> {
  const { store, remote, clock, signal } = parts
  let seen = after
  let batch: EventJson[] = []
  let isOpened = false
  const flush = () => {
    const events = batch
    batch = []
    store.dispatch({ kind: 'events', events })
    parts.heard?.(events)
  }
  for await (const streamed of remote.events(after, signal)) {
    if (streamed.kind === 'away') store.dispatch({ kind: 'link', isOpen: false })
    if (streamed.kind === 'look') {
      // Once is what the snapshot was for; again means that something may have been left out.
      if (isOpened) seen = Math.max(seen, await readSnapshot(parts).catch(() => seen))
      isOpened = true
      store.dispatch({ kind: 'link', isOpen: true })
    }
    if (streamed.kind === 'event' && streamed.event.seq > seen) {
      seen = streamed.event.seq
      if (batch.length === 0) clock.timer(BATCH_MS, flush)
      batch.push(streamed.event)
    }
  }
}

/** Reads the rows on the screen that are old, those that are not read yet, and the nodes. */
export async function keepFresh({ store, remote, clock, signal }: Parts): Promise<void> {
  let waitingAt = clock.mono()
  let nodesAt = Number.NEGATIVE_INFINITY
  let lastNodeSeq = 0
  while (!signal.aborted) {
    const model = store.get()
    if (model.awaySince === null) {
      const isDue = clock.mono() - waitingAt >= WAITING_MS
      if (isDue) waitingAt = clock.mono()
      const asked = wanted(model, isDue)
      if (asked.size > 0) await ask(asked)
      const nodeSeq = model.events.findLast(({ nodeName, type }) => nodeName !== null || type === 'task.step')?.seq ?? 0
      const age = clock.mono() - nodesAt
      if (isDue || (nodeSeq > lastNodeSeq && age >= NODES_MS) || (model.view === 'nodes' && age >= LOAD_MS)) {
        lastNodeSeq = nodeSeq
        nodesAt = clock.mono()
        await readNodes()
      }
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }

  async function ask(asked: ReadonlyMap<string, Row | undefined>): Promise<void> {
    const query = new URLSearchParams([...asked.keys()].map((id): [string, string] => ['task', id]))
    const rows = await remote.call<ScreenRowJson[]>({ path: `/screen?${query}`, signal }).catch(() => null)
    if (rows) store.dispatch({ kind: 'rows', asked, rows })
  }

  async function readNodes(): Promise<void> {
    const nodes = await remote.call<NodeJson[]>({ path: '/nodes', signal }).catch(() => null)
    if (nodes) store.dispatch({ kind: 'nodes', nodes })
  }
}

function wanted(model: Model, withWaiting: boolean): Map<string, Row | undefined> {
  const { order, top } = model.list
  const asked = new Map<string, Row | undefined>()
  const onScreen = [...order.slice(top, top + listHeight(model)), ...(model.detail ? [model.detail.id] : [])]
  for (const id of onScreen) {
    const row = model.rows.get(id)
    if (row && (row.isStale || (withWaiting && !isEnded(row.task)))) asked.set(id, row)
  }
  for (const id of model.unread) {
    if (asked.size >= ASKED_MAX) break
    asked.set(id, undefined)
  }
  return asked
}

/** What agents and machines cost since midnight, in the zone of the reader, and how budgets stand. */
export async function keepSpent({ store, remote, clock, signal }: Parts): Promise<void> {
  while (!signal.aborted) {
    const since = new Date(clock.now()).setHours(0, 0, 0, 0)
    const isAway = store.get().awaySince !== null
    const path = `/spent?since=${since}`
    // A daemon that was started before an update does not know.
    const spent = isAway ? null : await remote.call<SpentJson>({ path, signal }).catch(() => null)
    if (spent) {
      const { costUsd, machineUsd, budget = null, resting = 0 } = spent
      store.dispatch({ kind: 'spent', today: costUsd + machineUsd, budget, resting })
    }
    await sleep(clock, SPENT_MS, signal).catch(() => {})
  }
}
