/**
 * What the daemon reports, put into the model. Events change a row at once; the rest of it is read when it is shown.
 */
import { STATUSES, STEPS } from '../../core/task.ts'
import type { EventJson } from '../../protocol/control.ts'
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import type { FeedAction } from './actions.ts'
import { appendLog, EMPTY_LOG } from './log.ts'
import { type Detail, EMPTY_TALLY, type Model, type Row, type RowChange, tallied, withOthers } from './model.ts'
import { reordered } from './order.ts'
import { isEnded } from './states.ts'

const EVENTS_MAX = 1_000
/** How long a busy list holds still before it is sorted anew, in ms. */
const ORDER_MS = 2_000

type Of<Kind extends FeedAction['kind']> = Extract<FeedAction, { kind: Kind }>
type Reducers = { [Kind in FeedAction['kind']]: (model: Model, action: Of<Kind>) => Model }

export const feed: Reducers = {
  snapshot(model, { snapshot }) {
    const rows = new Map(
      snapshot.tasks.map(task => [
        task.id,
        { task, why: model.rows.get(task.id)?.why ?? null, isStale: !isEnded(task) },
      ]),
    )
    const tally = tallied(
      EMPTY_TALLY,
      [...rows.values()].map(row => [undefined, row]),
    )
    // A daemon that was started before an update says nothing of them.
    const counted = withOthers(tally, snapshot.others ?? {})
    return reordered({ ...model, rows, tally: counted, nodes: snapshot.nodes, unread: new Set(), awaySince: null })
  },

  history: (model, { events }) => ({ ...model, events: [...events, ...model.events].slice(-EVENTS_MAX) }),

  events(model, { events }) {
    const rows = new Map(model.rows)
    const unread = new Set(model.unread)
    const changes = events.flatMap(event => applyEvent(rows, unread, event))
    const { detail, failedSince } = model
    const ofDetail = detail ? events.filter(({ taskId }) => taskId === detail.id) : []
    return settled({
      ...model,
      rows,
      tally: tallied(model.tally, changes),
      unread,
      failedSince: events.reduce(failedAfter, failedSince),
      events: [...model.events, ...events].slice(-EVENTS_MAX),
      // A view that is scrolled up keeps its lines.
      back: model.view === 'events' && model.back > 0 ? model.back + events.length : model.back,
      detail: detail && ofDetail.length > 0 ? { ...detail, events: newer(detail.events, ofDetail) } : detail,
    })
  },

  rows(model, { asked, rows: read }) {
    const rows = new Map(model.rows)
    const unread = new Set(model.unread)
    const found = new Map(read.map(row => [row.task.id, row]))
    const changes: RowChange[] = []
    for (const [id, before] of asked) {
      // What was read may be older than an event that came meanwhile: then it is asked for again.
      if (rows.get(id) !== before) continue
      unread.delete(id)
      const read = found.get(id)
      const row = read && { ...read, isStale: false }
      changes.push([before, row])
      if (row) rows.set(id, row)
      else rows.delete(id)
    }
    return settled({ ...model, rows, tally: tallied(model.tally, changes), unread })
  },

  nodes: (model, { nodes }) => ({ ...model, nodes }),
  spent: (model, { today, budget, resting }) => ({ ...model, spent: { today, budget, resting } }),
  groups: (model, { groups }) => ({ ...model, groups: new Map(groups.map(group => [group.name, group])) }),
  schedules: (model, { schedules }) => ({ ...model, schedules }),
  said: (model, { lines }) => ({ ...model, said: lines }),
  link: (model, { isOpen }) => ({ ...model, awaySince: isOpen ? null : (model.awaySince ?? model.now) }),

  tick(model, { now }) {
    const notice = model.notice && model.notice.until > now ? model.notice : null
    return settled({ ...model, now, notice })
  },

  focus(model, { id }) {
    const detail = id === null ? null : { ...NOTHING_KNOWN, id }
    return { ...model, detail, back: 0 }
  },

  detail(model, { id, facts }) {
    if (model.detail?.id !== id) return model
    return { ...model, detail: { ...model.detail, ...facts } }
  },

  log(model, { id, of, text, isAnew }) {
    const { detail } = model
    if (detail?.id !== id) return model
    const before = detail[of] ?? EMPTY_LOG
    const log = appendLog(isAnew ? EMPTY_LOG : before, text)
    const back = model.back === 0 || model.pane !== of ? model.back : model.back + grown(before.lines, log.lines)
    return { ...model, detail: { ...detail, [of]: log }, back }
  },
}

const NOTHING_KNOWN: Omit<Detail, 'id'> = {
  prompt: null,
  events: [],
  why: null,
  log: EMPTY_LOG,
  check: null,
  diff: null,
  tail: null,
}

/** With the task of an event that says that it failed, without one that is tried again or forgotten. */
function failedAfter(failed: ReadonlySet<string>, { type, taskId, data }: EventJson): ReadonlySet<string> {
  if (taskId === null || (type !== 'task.status' && type !== 'task.removed')) return failed
  const isFailed = type === 'task.status' && data.to === 'failed'
  if (isFailed === failed.has(taskId)) return failed
  return isFailed ? new Set([...failed, taskId]) : new Set([...failed].filter(id => id !== taskId))
}

const grown = (before: readonly string[], after: readonly string[]) => Math.max(after.length - before.length, 0)

/** Sorted anew if that was some time ago. A list without a cursor has none of its rows yet. */
function settled(model: Model): Model {
  const isDue = model.now - model.list.orderedAt >= ORDER_MS || model.list.cursor === null
  return isDue && model.rows !== model.list.sorted ? reordered(model) : model
}

function newer(known: readonly EventJson[], events: readonly EventJson[]): EventJson[] {
  const last = known.at(-1)?.seq ?? 0
  return [...known, ...events.filter(({ seq }) => seq > last)]
}

/** Answers what became of the row, if there is one. */
function applyEvent(rows: Map<string, Row>, unread: Set<string>, event: EventJson): RowChange[] {
  const { taskId } = event
  if (taskId === null) return []
  const before = rows.get(taskId)
  if (event.type === 'task.removed') {
    rows.delete(taskId)
    const isCounted = !unread.delete(taskId)
    return isCounted ? [[before ?? countedBefore(event), undefined]] : []
  }
  if (!before) {
    // A task begins with its status; anything else is about one that ended long ago, and it stays among the others.
    if (event.type !== 'task.status' || unread.has(taskId)) return []
    unread.add(taskId)
    return [[countedBefore(event), undefined]]
  }
  const after = { task: applied(before.task, event), why: null, isStale: true }
  rows.set(taskId, after)
  return [[before, after]]
}

/** How a task that has no row was counted before it was retried or forgotten: by its status; undefined when it is new. */
function countedBefore({ data }: EventJson): RowChange[0] {
  const status = STATUSES.find(name => name === data.before)
  return status && { task: { status, step: null } }
}

/** The parts of a task that an event carries. */
function applied(task: ScreenTaskJson, { type, attempt, at, data }: EventJson): ScreenTaskJson {
  const next = { ...task, updatedAt: at, attempt: attempt ?? task.attempt }
  if (type === 'task.step') {
    const step = STEPS.find(name => name === data.to) ?? null
    return { ...next, step, stepEnteredAt: at, waitingFor: null }
  }
  if (type !== 'task.status') return next
  const status = STATUSES.find(name => name === data.to) ?? task.status
  const completedAt = isEnded({ status }) ? at : null
  const isAnew = next.attempt > task.attempt
  return { ...next, status, completedAt, ...(isAnew ? { verdict: null, result: null, error: null, node: null } : {}) }
}
