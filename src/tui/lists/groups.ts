/** A group of tasks in the list, in one line, and what is in it, below the list. */
import type { GroupJson } from '../../protocol/screen.ts'
import { oneLine } from '../../text/sanitize.ts'
import { compareUrgency } from '../../text/urgency.ts'
import { grouped, groupKey, groupOf, holdersOf, membersOf } from '../state/groups.ts'
import type { Model } from '../state/model.ts'
import { GROUPS, isEnded, stateOf } from '../state/states.ts'
import { barOf, type Line, pad, padLine, rule, type Span, textWidth, widthOf } from '../view/line.ts'

const NAME_MIN = 12
/** Of the window, the names of groups have at most so much. */
const NAME_SHARE = 0.4
const GAP = '   '

const KINDS: Record<GroupJson['kind'], string> = {
  each: 'a task for each line',
  race: 'best of several',
  set: 'a group',
}

/** `▸ faster   ▶ 1  ✓ 2   won by 2   $1.20`. */
export function groupLine(name: string, model: Model): Line {
  const { columns } = model.size
  const { cursor, unfolded } = model.list
  const isHere = cursor === groupKey(name)
  const width = nameWidth(model)
  const head: Span[] = [
    { text: isHere ? '› ' : '  ' },
    { text: pad(`${unfolded.has(name) ? '▾' : '▸'} ${name}`, width), isBold: true },
    { text: GAP },
  ]
  let left = columns - widthOf(head)
  const facts = factsOf(name, model).flatMap((fact): Line => {
    const wide = widthOf(fact) + GAP.length
    if (fact.length === 0 || wide > left) return []
    left -= wide
    return [...fact, { text: GAP }]
  })
  const line = [...head, ...facts]
  return isHere ? barOf(line, columns) : padLine(line, columns)
}

function nameWidth({ list, size }: Model): number {
  const names = list.order.flatMap(id => groupOf(id) ?? [])
  const most = names.reduce((wide, name) => Math.max(wide, textWidth(name) + 2), NAME_MIN)
  return Math.min(most, Math.floor(size.columns * NAME_SHARE))
}

/** How its tasks stand, who won, how many may run at once, what it costs; what matters most comes first. */
function factsOf(name: string, model: Model): Line[] {
  const group = model.groups.get(name)
  const { counts, all, held } = countsOf(name, model)
  const cost = group?.costUsd ?? null
  return [
    counts,
    outcomeOf(name, model),
    [{ text: `${all} ${all === 1 ? 'task' : 'tasks'}`, tone: 'quiet' }],
    held > 0 ? [{ text: `${held} held`, tone: 'quiet' }] : [],
    group?.atMost == null ? [] : [{ text: `at most ${group.atMost} at once`, tone: 'quiet' }],
    cost === null ? [] : [{ text: `$${cost.toFixed(2)}` }],
  ]
}

/** What goes on is known task by task; of what is over, how many there are. */
function countsOf(name: string, model: Model): { counts: Line; all: number; held: number } {
  const tasks = membersOf(model, name).map(({ task }) => task)
  const ended = model.groups.get(name)?.ended ?? {}
  const over = (status: 'completed' | 'failed' | 'cancelled') =>
    Math.max(ended[status] ?? 0, tasks.filter(task => task.status === status).length)
  const places = tasks.map(task => GROUPS.findIndex(({ fits }) => fits(task)))
  const signs = GROUPS.map(({ word, symbol, tone }, index) => {
    const known = places.filter(place => place === index).length
    const count = word === 'failed' ? over('failed') : word === 'done' ? over('completed') : known
    return { count, symbol, tone }
  })
  const shown = [...signs, { count: over('cancelled'), symbol: '-', tone: 'quiet' as const }].filter(
    ({ count }) => count > 0,
  )
  return {
    counts: shown.flatMap(({ symbol, count, tone }, index): Span[] => [
      { text: `${index > 0 ? '  ' : ''}${symbol} ${count}`, tone },
    ]),
    all: shown.reduce((sum, { count }) => sum + count, 0),
    held: tasks.filter(task => holdersOf(task).length > 0).length,
  }
}

/** Of a race, who won; of another group nothing, since its counts say it. */
function outcomeOf(name: string, model: Model): Line {
  const group = model.groups.get(name)
  if (group?.kind !== 'race') return []
  const members = membersOf(model, name)
  if (group.winner === null) {
    const isDecided = members.length > 0 && members.every(({ task }) => isEnded(task))
    return isDecided ? [{ text: 'nobody won', tone: 'bad', isBold: true }] : [{ text: 'not decided', tone: 'quiet' }]
  }
  const task = members.find(row => row.task.id === group.winner)?.task
  const who = task ? oneLine(`${task.group?.key ?? task.id} (${task.agent})`) : group.winner
  return [{ text: `won by ${who}`, tone: 'good', isBold: true }]
}

/** Its tasks, those that matter most first, each in a line. */
export function groupPreview(name: string, model: Model, height: number): Line[] {
  const { columns } = model.size
  const group = model.groups.get(name)
  const members = membersOf(model, name)
  const { all } = countsOf(name, model)
  const title = rule(
    [
      { text: oneLine(name), isBold: true },
      { text: group ? `  ${KINDS[group.kind]}` : '', tone: 'quiet' },
    ],
    columns,
  )
  const missing = all - members.length
  const rest: Line[] =
    missing > 0 ? [[{ text: ` ${missing} more ended earlier: tdf ls --group ${oneLine(name)}`, tone: 'quiet' }]] : []
  const sorted = members.map(({ task }) => task).sort((a, b) => compareUrgency(a, b, model.now))
  const { order, leads } = grouped(sorted, new Set([name]))
  const lines = order.slice(1).flatMap((id): Line[] => {
    const task = model.rows.get(id)?.task
    if (!task) return []
    const { symbol, word, tone } = stateOf(task)
    const key = task.group?.key
    return [
      [
        { text: ` ${pad(`${symbol} ${word}`, 12)}  `, tone },
        { text: `${(leads.get(id) ?? '').slice(2)}${oneLine(task.title)}` },
        { text: key == null || task.title.includes(key) ? '' : `  ${oneLine(key)}`, tone: 'quiet' },
      ],
    ]
  })
  const room = height - 1 - rest.length
  const cut =
    lines.length > room
      ? [...lines.slice(0, room - 1), [{ text: ` and ${lines.length - room + 1} more`, tone: 'quiet' as const }]]
      : lines
  const shown = [title, ...[...cut, ...rest].map(line => padLine(line, columns))]
  while (shown.length < height) shown.push([])
  return shown.slice(0, height)
}
