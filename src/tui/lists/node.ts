/** An open node: how busy it is by its last heartbeat, what it costs, and the tasks on it. */
import type { NodeJson } from '../../protocol/control.ts'
import { bar, percentBar, type Worry, worryOf } from '../state/load.ts'
import { focusedNode, type Model, type Row } from '../state/model.ts'
import { isEnded, nodeStateOf, stateOf, type Tone } from '../state/states.ts'
import { age, type Line, pad, padLine, rule, type Span } from '../view/line.ts'

const NAME_WIDTH = 12
const CELLS_MAX = 40
const SLOTS_MAX = 16
const TONES: Record<Worry, Tone> = { none: 'good', busy: 'wait', full: 'bad' }

export function nodePane(model: Model): Line[] {
  const { columns } = model.size
  const node = focusedNode(model)
  if (!node) return [rule([{ text: model.open ?? '', isBold: true }], columns), [], [{ text: '  it is gone' }]]
  const cells = Math.max(Math.min(columns - NAME_WIDTH - 10, CELLS_MAX), 5)
  const load = (percent: number | null): Line => [{ text: percentBar(percent, cells), tone: TONES[worryOf(percent)] }]
  const { symbol, word, tone } = nodeStateOf(node)
  const facts: [string, Line | string | null][] = [
    ['state', [{ text: `${symbol} ${word}`, tone, isBold: true }, { text: `  ${machineText(node)}` }]],
    ['processor', load(node.load?.cpuPercent ?? null)],
    ['memory', load(node.load?.memoryPercent ?? null)],
    ['disk', load(node.load?.diskPercent ?? null)],
    ['heard', node.load ? heardText(node.load.at, model.now) : 'not yet'],
    ['slots', `${bar(node.workspaces, node.maxWorkspaces, SLOTS_MAX)} ${node.workspaces} of ${node.maxWorkspaces}`],
    ['price', node.pricePerHour === null ? null : `€${node.pricePerHour.toFixed(4)} an hour`],
    ['warm until', node.warmUntil && leftText(node.warmUntil, model.now)],
    ['address', node.address],
    ['waits for', node.waitingFor],
  ]
  const lines = facts.flatMap(([name, value]) => (value ? [fact(name, value, columns)] : []))
  const tasks = tasksOn(model, node.name)
  return [
    rule([{ text: node.name, isBold: true }], columns),
    ...lines,
    rule([{ text: 'tasks on it', isBold: true }], columns),
    ...(tasks.length === 0
      ? [[{ text: '  none now', tone: 'quiet' as const }]]
      : tasks.map(row => taskLine(row, columns))),
  ]
}

function machineText({ provider, size, location }: NodeJson): string {
  return [provider, size, location].filter(part => part !== null && part !== '').join(', ')
}

function heardText(at: string, now: number): string {
  const text = age(at, now)
  return text === 'now' ? 'just now' : `${text} ago`
}

function leftText(until: string, now: number): string {
  const ms = Date.parse(until) - now
  return ms <= 0 ? 'now' : `${age(new Date(now - ms).toISOString(), now)} more`
}

function fact(name: string, value: Line | string, columns: number): Line {
  const spans: Line = typeof value === 'string' ? [{ text: value }] : value
  return padLine([{ text: ` ${name.padEnd(NAME_WIDTH)}`, tone: 'quiet' }, ...spans], columns)
}

/** Those that have a place on it. */
function tasksOn({ rows }: Model, name: string): Row[] {
  return [...rows.values()].filter(({ task }) => task.node?.name === name && !isEnded(task))
}

function taskLine({ task }: Row, columns: number): Line {
  const { symbol, word, tone } = stateOf(task)
  const spans: Span[] = [
    { text: `  ${pad(`${symbol} ${word}`, NAME_WIDTH)}`, tone },
    { text: `  ${task.id}  ${task.title}` },
  ]
  return padLine(spans, columns)
}
