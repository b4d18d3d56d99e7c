/** What the dashboard knows and shows, as one value. Views draw it; `store.ts` makes the next one from an action. */
import { DEFAULT_KEYS, type KeyMap } from '../../core/keys.ts'
import { STATUSES } from '../../core/task.ts'
import type { EventJson, NodeJson, ScreenTaskJson, SnapshotJson, WhyJson } from '../../protocol/control.ts'
import type { Log } from './log.ts'
import { GROUPS } from './states.ts'

export interface Row {
  task: ScreenTaskJson
  /** Why it waits, in a sentence; null when it is over or not asked for yet. */
  why: string | null
  /** Something happened to it since it was read: what events do not carry is old. */
  isStale: boolean
}

export type View = 'tasks' | 'nodes' | 'events'
export type Pane = 'log' | 'diff' | 'events' | 'prompt'
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
  /** Ids of the rows that pass the filter, sorted. Follows the rows with a delay, so that a busy list holds still. */
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
}

/** The task under the cursor, as far as it is known by now. */
export interface Detail {
  id: string
  prompt: string | null
  events: readonly EventJson[]
  why: WhyJson | null
  log: Log
  /** Null until it is shown. */
  diff: string | null
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
  nodes: readonly NodeJson[]
  events: readonly EventJson[]
  view: View
  isOpen: boolean
  /** The first line of the help on the screen; null while it is not shown. */
  helpTop: number | null
  list: TaskList
  nodeCursor: string | null
  detail: Detail | null
  pane: Pane
  isWrapped: boolean
  /** Lines between the end of what is shown and its last line; 0 follows the end. */
  back: number
  search: Search
  prompt: Prompt | null
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
    nodes: [],
    events: [],
    view: 'tasks',
    isOpen: false,
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
    },
    nodeCursor: null,
    detail: null,
    pane: 'log',
    isWrapped: false,
    back: 0,
    search: NO_SEARCH,
    prompt: null,
    notice: null,
  }
}

/** The task that the preview and the detail are about. */
export function focusOf({ view, list }: Model): string | null {
  return view === 'tasks' ? list.cursor : null
}

/** What an action is about: the marked tasks, else the one under the cursor. */
export function chosen({ list }: Model): string[] {
  if (list.marked.size > 0) return [...list.marked]
  return list.cursor === null ? [] : [list.cursor]
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

/** What a key does outside the model, as a value; `perform.ts` does it. */
export type Effect =
  | { kind: 'quit' }
  | { kind: 'suspend' }
  | { kind: 'cancel' | 'retry'; ids: readonly string[] }
  | { kind: 'send'; id: string; text: string }
  | { kind: 'drain'; node: string; isUndo: boolean }
  | { kind: 'copy'; text: string }
  | { kind: 'stream'; id: string }
  | { kind: 'page'; id: string; pane: Pane }

/** The line at the bottom that asks: a question answered by a letter, or a line to type. */
export type Prompt =
  | { kind: 'confirm'; question: string; effect: Effect }
  | { kind: 'line'; label: string; text: string; for: 'filter' | 'search' }
  | { kind: 'line'; label: string; text: string; for: 'send'; id: string }

/** A pasted novel is not a prompt for this line. */
const LINE_MAX = 4_000

/** What a key makes of a line that is typed. */
export function typed(text: string, key: string): string {
  if (key === 'backspace') return [...text].slice(0, -1).join('')
  if (key === 'ctrl-u') return ''
  if (key === 'ctrl-w') return text.replace(/\S*\s*$/, '')
  if (key === 'space') return `${text} `.slice(0, LINE_MAX)
  return [...key].length === 1 ? (text + key).slice(0, LINE_MAX) : text
}
