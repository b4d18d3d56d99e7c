/** The first line: where one is, how everything stands, and whether it is live. */
import { formatDurationShort } from '../../core/duration.ts'
import { isInUse, type NodeStatus } from '../../core/node.ts'
import type { NodeJson } from '../../protocol/control.ts'
import type { BudgetJson } from '../../protocol/screen.ts'
import { shareText } from '../../text/progress/budgets.ts'
import { bar } from '../state/load.ts'
import type { Model, Spent, View } from '../state/model.ts'
import { GROUPS } from '../state/states.ts'
import { joined, type Line, type Span, split, widthOf } from './line.ts'

const VIEWS: readonly View[] = ['tasks', 'nodes', 'events', 'schedules']
/** Below, tabs beside the one that is shown are their keys alone. */
const NAMED_FROM = 96
const GAP = '   '
const SLOTS_SHOWN_MAX = 8

export function header(model: Model): Line {
  const { columns } = model.size
  const tabs: Span[] = [{ text: ' tdf  ', isBold: true }]
  for (const name of VIEWS) {
    const text = tabOf(name, model)
    tabs.push(name === model.view ? { text: `[${text}]`, isBold: true } : { text: ` ${text} `, tone: 'quiet' })
  }
  const link = linkOf(model)
  const room = columns - widthOf(tabs) - widthOf([link]) - 2
  return split(tabs, [...summary(model, room), link, { text: ' ' }], columns)
}

function tabOf(name: View, { view, size }: Model): string {
  const key = VIEWS.indexOf(name) + 1
  return name === view || size.columns >= NAMED_FROM ? `${key} ${name}` : String(key)
}

/** The tab at a column. */
export function tabAt(model: Model, column: number): View | undefined {
  let end = 6
  return VIEWS.find(name => {
    const from = end
    end += tabOf(name, model).length + 2
    return column >= from && column < end
  })
}

function linkOf({ awaySince, now }: Model): Span {
  if (awaySince === null) return { text: '● live', tone: 'good' }
  const seconds = Math.floor(Math.max(now - awaySince, 0) / 1_000)
  return { text: `○ daemon away ${formatDurationShort(seconds * 1_000)}`, tone: 'bad', isBold: true }
}

interface Part {
  /** From the longest on; the first that fits is shown. */
  lines: readonly Line[]
  /** Where it stands, from the left. */
  place: number
}

/**
 * As much as fits: a budget that is nearly used before all, the counts, the slots, what today cost, and what the machines cost
 * in an hour.
 */
function summary(model: Model, room: number): Line {
  const price = model.nodes.reduce((sum, { pricePerHour }) => sum + (pricePerHour ?? 0), 0)
  const money: Part = { lines: spentLines(model.spent), place: 2 }
  const isUrgent = model.spent?.budget != null && model.spent.budget.state !== 'ok'
  const parts: Part[] = [
    { lines: [slots(model.nodes)], place: 0 },
    ...(isUrgent ? [] : [money]),
    { lines: price > 0 ? [[{ text: `€${price.toFixed(3)}/h` }]] : [], place: 3 },
  ]
  let left = room
  const shown: { line: Line; place: number }[] = []
  const put = ({ lines, place }: Part) => {
    const line = lines.find(one => one.length > 0 && widthOf(one) + GAP.length <= left)
    if (!line) return
    left -= widthOf(line) + GAP.length
    shown.push({ line, place })
  }
  if (isUrgent) put(money)
  put({ lines: [counts(model, left)], place: 1 })
  for (const part of parts) put(part)
  return shown.sort((a, b) => a.place - b.place).flatMap(({ line }) => [...line, { text: GAP }])
}

/** What today cost, beside the budget that is nearest to its limit, unless that is the one of the day. */
function spentLines(spent: Spent | null): Line[] {
  if (!spent) return []
  const { today, budget, resting } = spent
  const day: Line = today > 0 ? [{ text: `$${today.toFixed(2)} today` }] : []
  if (!budget) return [day]
  const look: Partial<Span> = TONES[budget.state]
  const share: Line = [{ text: shareText(budget), ...look }]
  const rest: Line = resting > 0 ? [{ text: `: ${resting} ${resting === 1 ? 'rests' : 'rest'}`, ...look }] : []
  const isDay = budget.window === 'day' && budget.label === null && !budget.isOfMachines
  const both: Line = isDay || day.length === 0 ? [] : [...day, { text: GAP }, ...share, ...rest]
  const short: Line = [{ text: `${Math.floor((budget.spent / budget.limit) * 100)} % of budget`, ...look }]
  return [both, [...share, ...rest], share, short, budget.state === 'ok' ? day : []]
}

const TONES: Record<BudgetJson['state'], Partial<Span>> = {
  ok: {},
  near: { tone: 'wait', isBold: true },
  used: { tone: 'bad', isBold: true },
}

/** Most urgent first; of what failed, what is new since the dashboard was opened. */
function counts(model: Model, room: number): Line {
  const fresh = model.failedSince.size
  const groups = GROUPS.flatMap(({ word, symbol, tone }, index): Span[] => {
    const count = model.tally[index] ?? 0
    if (count === 0) return []
    if (word === 'failed' && fresh > 0) return [{ text: `${symbol} ${fresh} new`, tone, isBold: true }]
    return [{ text: `${symbol} ${count}`, tone }]
  })
  let used = GAP.length
  const shown = groups.filter(({ text }) => {
    used += text.length + 2
    return used - 2 <= room
  })
  return joined(shown, '  ')
}

/** `local 3/3 ▮▮▮`: the places for tasks that there are, and how many of them are taken. */
function slots(nodes: readonly NodeJson[]): Line {
  const serving = nodes.filter(node => isInUse({ status: node.status as NodeStatus }))
  const used = serving.reduce((sum, { workspaces }) => sum + workspaces, 0)
  const all = serving.reduce((sum, { maxWorkspaces }) => sum + maxWorkspaces, 0)
  if (all === 0) return []
  const name = serving.length === 1 ? (serving[0]?.name ?? '') : 'slots'
  const tone = used >= all ? ('wait' as const) : ('quiet' as const)
  return [{ text: `${name.slice(0, 16)} ${used}/${all} ` }, { text: bar(used, all, SLOTS_SHOWN_MAX), tone }]
}
