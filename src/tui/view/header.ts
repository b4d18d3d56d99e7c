/** The first line: where one is, how everything stands, and whether it is live. */
import { formatDurationShort } from '../../core/duration.ts'
import { isInUse, type NodeStatus } from '../../core/node.ts'
import type { NodeJson } from '../../protocol/control.ts'
import { bar } from '../state/load.ts'
import type { Model, View } from '../state/model.ts'
import { GROUPS } from '../state/states.ts'
import { joined, type Line, type Span, split, widthOf } from './line.ts'

const VIEWS: readonly View[] = ['tasks', 'nodes', 'events']
const GAP = '   '
const SLOTS_SHOWN_MAX = 8

export function header(model: Model): Line {
  const { columns } = model.size
  const tabs: Span[] = [{ text: ' tdf  ', isBold: true }]
  VIEWS.forEach((name, index) => {
    const text = `${index + 1} ${name}`
    tabs.push(name === model.view ? { text: `[${text}]`, isBold: true } : { text: ` ${text} `, tone: 'quiet' })
  })
  const link = linkOf(model)
  const room = columns - widthOf(tabs) - widthOf([link]) - 2
  return split(tabs, [...summary(model, room), link, { text: ' ' }], columns)
}

/** Where each tab stands, from the first column on. */
export function tabAt(column: number): View | undefined {
  let end = 6
  return VIEWS.find(name => {
    const from = end
    end += name.length + 4
    return column >= from && column < end
  })
}

function linkOf({ awaySince, now }: Model): Span {
  if (awaySince === null) return { text: '● live', tone: 'good' }
  const seconds = Math.floor(Math.max(now - awaySince, 0) / 1_000)
  return { text: `○ daemon away ${formatDurationShort(seconds * 1_000)}`, tone: 'bad', isBold: true }
}

/** As much as fits: the counts first, then the slots, what today cost, and what the machines cost in an hour. */
function summary(model: Model, room: number): Line {
  const price = model.nodes.reduce((sum, { pricePerHour }) => sum + (pricePerHour ?? 0), 0)
  const { spentToday } = model
  const parts: { line: Line; place: number }[] = [
    { line: counts(model, room), place: 1 },
    { line: slots(model.nodes), place: 0 },
    { line: spentToday ? [{ text: `$${spentToday.toFixed(2)} today` }] : [], place: 2 },
    { line: price > 0 ? [{ text: `€${price.toFixed(3)}/h` }] : [], place: 3 },
  ]
  let left = room
  const shown = parts.filter(({ line }) => {
    const wide = widthOf(line) + GAP.length
    if (line.length === 0 || wide > left) return false
    left -= wide
    return true
  })
  return shown.sort((a, b) => a.place - b.place).flatMap(({ line }) => [...line, { text: GAP }])
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
