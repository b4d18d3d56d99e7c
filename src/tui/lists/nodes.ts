/** The machines, a row each: what they do, how busy they are, what they cost, what they wait for. */
import type { NodeJson } from '../../protocol/control.ts'
import { bar, percentBar } from '../state/load.ts'
import { focusedNode, type Model } from '../state/model.ts'
import { listHeight, windowTop } from '../state/order.ts'
import { nodeStateOf } from '../state/states.ts'
import { age, barOf, type Line, pad, padLine, type Span } from '../view/line.ts'
import { listHead, outside } from './board.ts'

interface Cell {
  title: string
  width: number
  /** Left out below this width of the window. */
  from: number
  of(node: NodeJson, now: number): string
}

const STATE_WIDTH = 13
const LOAD_CELLS = 6
const LOAD_WIDTH = LOAD_CELLS + 6

const CELLS: readonly Cell[] = [
  { title: 'NAME', width: 16, from: 0, of: ({ name }) => name },
  {
    title: 'TASKS',
    width: 10,
    from: 0,
    of: ({ workspaces, maxWorkspaces }) => `${workspaces}/${maxWorkspaces} ${bar(workspaces, maxWorkspaces, 6)}`,
  },
  {
    title: 'PROCESSOR',
    width: LOAD_WIDTH,
    from: 70,
    of: ({ load }) => percentBar(load?.cpuPercent ?? null, LOAD_CELLS),
  },
  {
    title: 'MEMORY',
    width: LOAD_WIDTH,
    from: 84,
    of: ({ load }) => percentBar(load?.memoryPercent ?? null, LOAD_CELLS),
  },
  { title: 'DISK', width: LOAD_WIDTH, from: 98, of: ({ load }) => percentBar(load?.diskPercent ?? null, LOAD_CELLS) },
  { title: 'SIZE', width: 8, from: 140, of: ({ size }) => size ?? '' },
  { title: 'WHERE', width: 8, from: 140, of: ({ location }) => location ?? '' },
  {
    title: 'PRICE/H',
    width: 8,
    from: 110,
    of: ({ pricePerHour }) => (pricePerHour === null ? '' : `€${pricePerHour.toFixed(4)}`),
  },
  { title: ' AGE', width: 4, from: 50, of: ({ createdAt }, now) => age(createdAt, now).padStart(4) },
]

export function nodes(model: Model): Line[] {
  const { columns } = model.size
  const cells = CELLS.filter(({ from }) => columns >= from)
  const height = listHeight(model)
  const here = focusedNode(model)?.name
  const index = Math.max(
    model.nodes.findIndex(({ name }) => name === here),
    0,
  )
  const top = windowTop(0, index, height, model.nodes.length)
  const heads = [pad('  STATE', STATE_WIDTH), ...cells.map(({ title, width }) => pad(title, width)), 'WAITS FOR']
  const lines = model.nodes.slice(top, top + height).map(node => nodeLine(node, model, cells, node.name === here))
  if (model.nodes.length === 0)
    lines.push([], [{ text: '  no nodes; the first task that needs one brings it', tone: 'quiet' }])
  while (lines.length < height) lines.push([])
  return [...listHead(heads.join('  '), columns, outside(top, model.nodes.length - top - height)), ...lines]
}

function nodeLine(node: NodeJson, { now, size }: Model, cells: readonly Cell[], isHere: boolean): Line {
  const { symbol, word, tone } = nodeStateOf(node)
  const spans: Span[] = [
    { text: isHere ? '› ' : '  ' },
    { text: pad(`${symbol} ${word}`, STATE_WIDTH), tone },
    { text: cells.map(({ width, of }) => `  ${pad(of(node, now), width)}`).join('') },
    { text: `  ${node.waitingFor ?? ''}`, tone: 'quiet' },
  ]
  return isHere ? barOf(spans, size.columns) : padLine(spans, size.columns)
}
