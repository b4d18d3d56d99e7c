/** The first line: where one is, how everything stands, and whether it is live. */
import { formatDurationShort } from '../../core/duration.ts'
import type { Model, View } from '../state/model.ts'
import { GROUPS } from '../state/states.ts'
import { joined, type Line, type Span, split } from './line.ts'

const VIEWS: readonly View[] = ['tasks', 'nodes', 'events']

export function header(model: Model): Line {
  const { columns } = model.size
  const tabs: Span[] = [{ text: ' tdf', isBold: true }]
  VIEWS.forEach((name, index) => {
    // As multiplexers name their windows: the key, what it shows, and a star at the one that is seen.
    const text = `${index + 1}:${name}`
    const isHere = name === model.view
    tabs.push({ text: '  ' }, isHere ? { text: `${text}*`, isBold: true } : { text: `${text} `, tone: 'quiet' })
  })
  const link = linkOf(model)
  const room = columns - 34 - link.text.length - 6
  const right: Line = [...summary(model, room), { text: '  ' }, link, { text: ' ' }]
  return split(tabs, right, columns)
}

function linkOf({ awaySince, now }: Model): Span {
  if (awaySince === null) return { text: '● live', tone: 'good' }
  const seconds = Math.floor(Math.max(now - awaySince, 0) / 1_000)
  return { text: `○ daemon away ${formatDurationShort(seconds * 1_000)}`, tone: 'bad', isBold: true }
}

/** As many groups as fit, most urgent first; the price of an hour comes last. */
function summary(model: Model, room: number): Line {
  const groups = GROUPS.flatMap(({ word, tone }, index): Span[] => {
    const count = model.tally[index] ?? 0
    return count === 0 ? [] : [{ text: `${count} ${word}`, tone }]
  })
  const perHour = model.nodes.reduce((sum, { pricePerHour }) => sum + (pricePerHour ?? 0), 0)
  if (perHour > 0) groups.push({ text: `€${perHour.toFixed(3)}/h` })
  const shown: Span[] = []
  let used = 0
  for (const group of groups) {
    used += group.text.length + (shown.length > 0 ? 2 : 0)
    if (used > room) break
    shown.push(group)
  }
  return joined(shown, '  ')
}
