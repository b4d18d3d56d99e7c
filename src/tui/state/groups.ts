/** The list by groups: a line for each group, its tasks below while it is unfolded, and each held task below the one that holds it. */
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import type { Row } from './states.ts'

type Rows = ReadonlyMap<string, Row>

/** No id of a task has a blank. */
const MARK = 'group '

/** What stands for a group in the order of the list. */
export const groupKey = (name: string): string => MARK + name

/** The name of the group that a member of the order is; null for a task. */
export const groupOf = (key: string | null): string | null =>
  key?.startsWith(MARK) === true ? key.slice(MARK.length) : null

export interface Grouped {
  order: string[]
  /** What stands before the titles of tasks that are below something. */
  leads: ReadonlyMap<string, string>
}

/** Groups and tasks without one, each where the first of it is among the sorted tasks. */
export function grouped(tasks: readonly ScreenTaskJson[], unfolded: ReadonlySet<string>): Grouped {
  const order: string[] = []
  const leads = new Map<string, string>()
  const members = new Map<string, ScreenTaskJson[]>()
  for (const task of tasks) {
    const name = task.group?.name
    if (name !== undefined) addTo(members, name, task)
  }
  const loose = nested(tasks.filter(({ group }) => group === null))
  const seen = new Set<string>()
  const put = ({ task, depth }: Nested, base: number) => {
    order.push(task.id)
    const lead = '  '.repeat(base + Math.min(Math.max(depth - 1, 0), DEPTH_MAX)) + (depth > 0 ? '└ ' : '')
    if (lead !== '') leads.set(task.id, lead)
  }
  for (const { id, group } of tasks) {
    if (group === null) for (const one of loose.get(id) ?? []) put(one, 0)
    else if (!seen.has(group.name)) {
      seen.add(group.name)
      order.push(groupKey(group.name))
      if (!unfolded.has(group.name)) continue
      for (const block of nested(members.get(group.name) ?? []).values()) for (const one of block) put(one, 1)
    }
  }
  return { order, leads }
}

/** A longer chain is no further to the right. */
const DEPTH_MAX = 6

function addTo<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key)
  if (values) values.push(value)
  else map.set(key, [value])
}

interface Nested {
  task: ScreenTaskJson
  depth: number
}

/** The task that holds it, of those that it waits for. */
const isHolding = ({ state }: ScreenTaskJson['after'][number]) => state === 'waiting' || state === 'failed'

/** Those that nothing among them holds, each with what waits for it behind it. */
function nested(tasks: readonly ScreenTaskJson[]): Map<string, Nested[]> {
  const ids = new Set(tasks.map(({ id }) => id))
  const below = new Map<string, ScreenTaskJson[]>()
  const roots: ScreenTaskJson[] = []
  for (const task of tasks) {
    const holder = task.status === 'queued' ? task.after.find(one => isHolding(one) && ids.has(one.id)) : undefined
    if (holder) addTo(below, holder.id, task)
    else roots.push(task)
  }
  const blocks = new Map<string, Nested[]>()
  for (const root of roots) {
    const block: Nested[] = []
    // A list of work, since a chain may be as long as the list.
    for (const work: Nested[] = [{ task: root, depth: 0 }]; work.length > 0; ) {
      const next = work.pop()
      if (!next) break
      block.push(next)
      const held = below.get(next.task.id) ?? []
      work.push(...held.map(task => ({ task, depth: next.depth + 1 })).reverse())
    }
    blocks.set(root.id, block)
  }
  return blocks
}

/** What holds a task that waits for others. */
export const holdersOf = ({ status, after }: ScreenTaskJson) => (status === 'queued' ? after.filter(isHolding) : [])

const known = new WeakMap<Rows, ReadonlyMap<string, Row[]>>()

/** The tasks of a group that are known here: all that are not over, and those that ended lately. */
export function membersOf({ rows }: { rows: Rows }, name: string): readonly Row[] {
  const before = known.get(rows)
  if (before) return before.get(name) ?? []
  const all = new Map<string, Row[]>()
  for (const row of rows.values()) {
    const group = row.task.group?.name
    if (group !== undefined) addTo(all, group, row)
  }
  known.set(rows, all)
  return all.get(name) ?? []
}
