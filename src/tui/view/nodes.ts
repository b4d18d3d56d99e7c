/** The machines, a row each: what they do, what they cost, what they wait for. */
import type { NodeJson } from '../../protocol/control.ts'
import type { Model } from '../state/model.ts'
import { listHeight, windowTop } from '../state/order.ts'
import { nodeStateOf } from '../state/states.ts'
import { age, type Line, pad, padLine, type Span } from './line.ts'

interface Cell {
  title: string
  width: number
  /** Left out below this width of the window. */
  from: number
  of(node: NodeJson, now: number): string
}

const CELLS: readonly Cell[] = [
  { title: 'NAME', width: 16, from: 0, of: ({ name }) => name },
  {
    title: 'TASKS',
    width: 5,
    from: 0,
    of: ({ workspaces, maxWorkspaces }) => `${workspaces}/${maxWorkspaces}`.padStart(5),
  },
  { title: 'PROVIDER', width: 8, from: 90, of: ({ provider }) => provider },
  { title: 'SIZE', width: 8, from: 90, of: ({ size }) => size ?? '' },
  { title: 'WHERE', width: 8, from: 90, of: ({ location }) => location ?? '' },
  {
    title: 'PRICE/H',
    width: 8,
    from: 70,
    of: ({ pricePerHour }) => (pricePerHour === null ? '' : `€${pricePerHour.toFixed(4)}`),
  },
  { title: 'AGE', width: 4, from: 50, of: ({ createdAt }, now) => age(createdAt, now).padStart(4) },
]

export function nodes(model: Model): Line[] {
  const { columns } = model.size
  const cells = CELLS.filter(({ from }) => columns >= from)
  const used = 17 + cells.reduce((sum, { width }) => sum + width + 2, 0)
  const room = Math.max(columns - used, 0)
  const height = listHeight(model)
  const index = Math.max(
    model.nodes.findIndex(({ name }) => name === model.nodeCursor),
    0,
  )
  const top = windowTop(0, index, height, model.nodes.length)
  const heads = [...cells.map(({ title, width }) => pad(title, width)), 'WAITS FOR']
  const titles = padLine([{ text: `  ${pad('STATE', 13)}  ${heads.join('  ')}`, tone: 'quiet' }], columns)
  const lines = model.nodes.slice(top, top + height).map((node, row): Line => {
    const { symbol, word, tone } = nodeStateOf(node)
    const isHere = top + row === index
    const rest = cells.map(({ width, of }) => pad(of(node, model.now), width)).join('  ')
    const spans: Span[] = [
      { text: isHere ? '› ' : '  ' },
      { text: pad(`${symbol} ${word}`, 13), tone },
      { text: `  ${rest}` },
      { text: `  ${pad(node.waitingFor ?? '', room)}`, tone: 'quiet' },
    ]
    const line = padLine(spans, columns)
    return isHere ? [{ text: line.map(({ text }) => text).join(''), isInverse: true }] : line
  })
  if (model.nodes.length === 0)
    lines.push([], [{ text: '  no nodes; the first task that needs one brings it', tone: 'quiet' }])
  while (lines.length < height) lines.push([])
  return [titles, ...lines]
}
