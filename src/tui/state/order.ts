/** Which tasks the list shows, in which order, and which part of it is on the screen. */
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import { byText, compareUrgency } from '../../text/urgency.ts'
import { type Grouped, grouped, groupKey } from './groups.ts'
import type { Model, SortKey, TaskList } from './model.ts'
import { stateOf } from './states.ts'

export const SORTS: readonly SortKey[] = ['activity', 'created', 'title', 'cost']

type Compare = (a: ScreenTaskJson, b: ScreenTaskJson, now: number) => number
const newest: Compare = (a, b) => byText(b.createdAt, a.createdAt) || byText(a.id, b.id)

const COMPARE: Record<SortKey, Compare> = {
  activity: compareUrgency,
  created: newest,
  title: (a, b, now) => byText(a.title.toLowerCase(), b.title.toLowerCase()) || newest(a, b, now),
  cost: (a, b, now) => (b.usage?.costUsd ?? 0) - (a.usage?.costUsd ?? 0) || newest(a, b, now),
}

function orderOf({ rows, now }: Pick<Model, 'rows' | 'now'>, list: TaskList): Grouped {
  const passes = filterOf(list.filter)
  const compare = COMPARE[list.sort]
  // Sorting what was sorted before costs one comparison a row.
  const before = list.order.flatMap(id => rows.get(id)?.task ?? [])
  const known = new Set(list.order)
  const tasks = [...before, ...[...rows.values()].flatMap(({ task }) => (known.has(task.id) ? [] : [task]))]
  const sorted = tasks.filter(passes).sort((a, b) => (list.isReversed ? compare(b, a, now) : compare(a, b, now)))
  return list.isGrouped ? grouped(sorted, list.unfolded) : { order: sorted.map(({ id }) => id), leads: NO_LEADS }
}

const NO_LEADS: Grouped['leads'] = new Map()

/** The cursor, or the group that its task is folded into. */
function placeOf({ rows }: Model, order: readonly string[], cursor: string | null): string | null {
  if (cursor === null || order.includes(cursor)) return cursor
  const group = rows.get(cursor)?.task.group?.name
  return group !== undefined && order.includes(groupKey(group)) ? groupKey(group) : cursor
}

/** The list sorted anew. The row under the cursor stays where it is on the screen as far as that is possible. */
export function reordered(model: Model, change: Partial<TaskList> = {}): Model {
  const list = { ...model.list, ...change }
  const { order, leads } = orderOf(model, list)
  const place = placeOf(model, order, list.cursor)
  const was = list.cursor === null ? -1 : list.order.indexOf(list.cursor)
  const is = place === null ? -1 : order.indexOf(place)
  const isKept = is >= 0 && (list.isTouched || is < listHeight(model))
  const near = list.isTouched ? Math.min(Math.max(was, 0), order.length - 1) : 0
  const cursor = isKept ? place : (order[near] ?? null)
  const top = list.top === 0 || is < 0 || was < 0 ? list.top : list.top + is - was
  const marked = [...list.marked].some(id => !model.rows.has(id))
    ? new Set([...list.marked].filter(id => model.rows.has(id)))
    : list.marked
  return inView({
    ...model,
    list: { ...list, order, leads, cursor, top, marked, sorted: model.rows, orderedAt: model.now },
  })
}

/** Moves the part of the list that is on the screen until the cursor is in it. */
export function inView(model: Model): Model {
  const { list } = model
  const index = list.cursor === null ? 0 : Math.max(list.order.indexOf(list.cursor), 0)
  const top = windowTop(list.top, index, listHeight(model), list.order.length)
  return top === list.top ? model : { ...model, list: { ...list, top } }
}

export function windowTop(top: number, index: number, height: number, count: number): number {
  const lowest = Math.max(count - height, 0)
  const near = Math.min(Math.max(top, index - height + 1), index)
  return Math.min(Math.max(near, 0), lowest)
}

/** Rows of the screen under the list that are about the task under the cursor: none in a small window. */
export function previewHeight({ size: { rows }, view }: Model): number {
  if (view !== 'tasks' || rows < 20) return 0
  return rows < 30 ? 5 : Math.min(Math.floor(rows / 3), 14)
}

/** Without the header, the titles and their rule, the footer and the line that stays free. */
export function listHeight(model: Model): number {
  return Math.max(model.size.rows - 5 - previewHeight(model), 1)
}

type Part = (task: ScreenTaskJson) => string

const PARTS: Record<string, Part> = {
  id: ({ id }) => id,
  title: ({ title }) => title,
  status: task => `${task.status} ${stateOf(task).word}`,
  state: task => `${task.status} ${stateOf(task).word} ${task.step ?? ''} ${task.verdict ?? ''}`,
  step: ({ step }) => step ?? '',
  verdict: ({ verdict }) => verdict ?? '',
  node: ({ node }) => node?.name ?? '',
  agent: ({ agent }) => agent,
  repo: ({ repo }) => repo.url,
  group: ({ group }) => group?.name ?? '',
  schedule: ({ schedule }) => schedule ?? '',
  label: ({ labels }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
}

/** Where a word without a key is searched. */
const PLAIN: readonly Part[] = ['id', 'title', 'status', 'node', 'agent', 'label'].flatMap(name => PARTS[name] ?? [])

/** `/`: words that a row must have, `key:word` for one of its parts, `!` before a word for rows without it. */
export function filterOf(text: string): (task: ScreenTaskJson) => boolean {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map(wordTest)
  return task => tests.every(test => test(task))
}

function wordTest(word: string): (task: ScreenTaskJson) => boolean {
  if (word.startsWith('!') && word.length > 1) {
    const test = wordTest(word.slice(1))
    return task => !test(task)
  }
  const [name = '', ...rest] = word.split(':')
  const part = rest.length > 0 ? PARTS[name] : undefined
  const [wanted, parts] = part ? [rest.join(':'), [part]] : [word, PLAIN]
  return task => parts.some(of => of(task).toLowerCase().includes(wanted))
}
