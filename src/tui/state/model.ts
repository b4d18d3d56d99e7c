/** What the dashboard knows and shows, as one value. Views draw it; `store.ts` makes the next one from an action. */
import { DEFAULT_KEYS, type KeyMap } from '../../core/dashboard-keys.ts'
import { STATUSES } from '../../core/task.ts'
import type { EventJson, NodeJson, WhyJson } from '../../protocol/control.ts'
import type { BudgetJson, GroupJson, ScreenTaskJson, SnapshotJson } from '../../protocol/screen.ts'
import type { ScheduleJson } from '../../protocol/upkeep.ts'
import { groupOf, membersOf } from './groups.ts'
import type { Log } from './log.ts'
import type { NewTask, Pane, Prompt } from './prompt.ts'
import { GROUPS, type Row } from './states.ts'

export type { Row }

export type View = 'tasks' | 'nodes' | 'events' | 'schedules'

export type SortKey = 'activity' | 'created' | 'title' | 'cost'

/** A search in a text. */
export interface Search {
  /** Empty: none. */
  text: string
  /** The line of the hit that one is at, from the top. */
  line: number | null
}

export const NO_SEARCH: Search = { text: '', line: null }

export interface TaskList {
  /** Ids of the rows that pass the filter, sorted, and by groups the keys of these between them. Follows the rows with a delay, so that a busy list holds still. */
  order: readonly string[]
  orderedAt: number
  /** The rows that `order` was made of. */
  sorted: ReadonlyMap<string, Row> | null
  filter: string
  sort: SortKey
  isReversed: boolean
  /** A task, not a place: rows that come and go above do not move it. */
  cursor: string | null
  /** Index of the first row on the screen. */
  top: number
  marked: ReadonlySet<string>
  isGrouped: boolean
  /** Names of the groups whose tasks are shown. */
  unfolded: ReadonlySet<string>
  /** What stands before the titles of tasks that are below something. */
  leads: ReadonlyMap<string, string>
  /** A key was pressed in it. Before, the list stays at its beginning, where what runs is. */
  isTouched: boolean
}

/** What agents and machines cost. */
export interface Spent {
  /** In USD. */
  today: number
  /** The budget that is nearest to its limit; null where none is set. */
  budget: BudgetJson | null
  /** So many tasks rest for a budget. */
  resting: number
}

/** The task under the cursor, as far as it is known by now. */
export interface Detail {
  id: string
  prompt: string | null
  events: readonly EventJson[]
  why: WhyJson | null
  log: Log
  /** What the check printed; null until it is shown. */
  check: Log | null
  /** Null until it is shown. */
  diff: string | null
  /** The end of what failed printed, as people read it; null until it is read, and where nothing failed. */
  tail: string | null
}

export interface Model {
  now: number
  size: { columns: number; rows: number }
  isReadOnly: boolean
  keys: KeyMap
  /** When the daemon went away; null while the stream is open. */
  awaySince: number | null
  rows: ReadonlyMap<string, Row>
  /** Of all tasks that the daemon keeps. */
  tally: Tally
  /** Tasks that events name and that are not read yet. */
  unread: ReadonlySet<string>
  /** What agents on the screen said last, by their tasks. */
  said: ReadonlyMap<string, string>
  /** Tasks that failed since the dashboard was opened, and were not tried again. */
  failedSince: ReadonlySet<string>
  /** Null until it is known. */
  spent: Spent | null
  nodes: readonly NodeJson[]
  events: readonly EventJson[]
  /** By name; those on the screen, as they were read last. */
  groups: ReadonlyMap<string, GroupJson>
  /** Null until they are read. What came of its instants is known of the one that is open. */
  schedules: readonly ScheduleJson[] | null
  view: View
  /** What is open, by its id or name, whatever becomes of the list; null while the list is shown. */
  open: string | null
  /** The first line of the help on the screen; null while it is not shown. */
  helpTop: number | null
  list: TaskList
  nodeCursor: string | null
  scheduleCursor: string | null
  detail: Detail | null
  pane: Pane
  isWrapped: boolean
  /** The lines of log and check begin with the time at which they were written. */
  hasTimes: boolean
  /** Lines between the end of what is shown and its last line; 0 follows the end. */
  back: number
  search: Search
  prompt: Prompt | null
  /** What was written for a new task and not handed over. */
  draft: NewTask
  notice: { text: string; isBad: boolean; until: number } | null
}

export function firstModel(now: number, size: Model['size'], isReadOnly: boolean, keys: KeyMap = DEFAULT_KEYS): Model {
  return {
    now,
    size,
    isReadOnly,
    keys,
    awaySince: null,
    rows: new Map(),
    tally: EMPTY_TALLY,
    unread: new Set(),
    said: new Map(),
    failedSince: new Set(),
    spent: null,
    nodes: [],
    events: [],
    groups: new Map(),
    schedules: null,
    view: 'tasks',
    open: null,
    helpTop: null,
    list: {
      order: [],
      orderedAt: 0,
      sorted: null,
      filter: '',
      sort: 'activity',
      isReversed: false,
      cursor: null,
      top: 0,
      marked: new Set(),
      isGrouped: false,
      unfolded: new Set(),
      leads: new Map(),
      isTouched: false,
    },
    nodeCursor: null,
    scheduleCursor: null,
    detail: null,
    pane: 'log',
    isWrapped: false,
    hasTimes: false,
    back: 0,
    search: NO_SEARCH,
    prompt: null,
    draft: { prompt: '', agent: '', check: '', repo: '' },
    notice: null,
  }
}

/** The task that the preview and the detail are about: the open one, else that under the cursor. */
export function focusOf({ view, open, list }: Model): string | null {
  if (view !== 'tasks') return null
  return open ?? (groupOf(list.cursor) === null ? list.cursor : null)
}

/** The name of the group under the cursor. */
export const focusedGroup = ({ view, open, list }: Pick<Model, 'view' | 'open' | 'list'>): string | null =>
  view === 'tasks' && open === null ? groupOf(list.cursor) : null

export const isTaskOpen = ({ view, open }: Pick<Model, 'view' | 'open'>): boolean => view === 'tasks' && open !== null

/** Lines are shown that one scrolls through and searches. */
export const isText = (model: Pick<Model, 'view' | 'open'>): boolean => model.view === 'events' || isTaskOpen(model)

/** The node that is open, else that under the cursor. */
export const focusedNode = ({ open, nodes, nodeCursor }: Model): NodeJson | undefined =>
  focusedIn(nodes, open, nodeCursor)

/** The schedule that is open, else that under the cursor. */
export const focusedSchedule = ({ open, schedules, scheduleCursor }: Model): ScheduleJson | undefined =>
  focusedIn(schedules ?? [], open, scheduleCursor)

function focusedIn<T extends { name: string }>(all: readonly T[], open: string | null, cursor: string | null) {
  const named = all.find(({ name }) => name === (open ?? cursor))
  return open === null ? (named ?? all[0]) : named
}

/** What an action is about: the open task and no other, else the marked tasks, else what is under the cursor: a task, or those of a group. */
export function chosen(model: Model): string[] {
  const { open, list } = model
  if (open === null && list.marked.size > 0) return [...list.marked]
  const group = focusedGroup(model)
  if (group !== null) return membersOf(model, group).map(({ task }) => task.id)
  const id = focusOf(model)
  return id === null ? [] : [id]
}

/** How many tasks each group of the header has, in the order of `GROUPS`. */
export type Tally = readonly number[]

export const EMPTY_TALLY: Tally = GROUPS.map(() => 0)

/** What the group of a task depends on. */
type Counted = { task: Pick<ScreenTaskJson, 'status' | 'step'> }

/** One row as it was and as it is; undefined where there was none, or is none any more. */
export type RowChange = readonly [before: Counted | undefined, after: Counted | undefined]

/** Tasks by status that the dashboard has no rows of, put into the tally. */
export function withOthers(tally: Tally, others: SnapshotJson['others']): Tally {
  return tally.map((count, index) => {
    const statuses = STATUSES.filter(status => GROUPS[index]?.fits({ status, step: null }))
    return statuses.reduce((sum, status) => sum + (others[status] ?? 0), count)
  })
}

export function tallied(tally: Tally, changes: readonly RowChange[]): Tally {
  const next = [...tally]
  const add = (row: Counted | undefined, by: number) => {
    const group = row ? GROUPS.findIndex(({ fits }) => fits(row.task)) : -1
    if (group >= 0) next[group] = (next[group] ?? 0) + by
  }
  for (const [before, after] of changes) {
    if (before === after) continue
    add(before, -1)
    add(after, 1)
  }
  return next
}
