/** What `tdf top` shows: each machine with its last heartbeat, and the tasks that have a place on one. */
import type { Command } from 'commander'
import { collected, pages } from '../../src/clients/pages.ts'
import { formatDurationShort } from '../../src/core/duration.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { NodeJson, TaskJson } from '../../src/protocol/control.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { bar, percentBar, type Worry, worryOf } from '../../src/tui/state/load.ts'
import { nodeStateOf, stateOf, type Tone } from '../../src/tui/state/states.ts'
import { type Cli, type Shape, say, shapeOf } from '../cli/cli.ts'
import { type Column, printList, render } from '../cli/table.ts'
import { watchList } from '../tasks/list-watch.ts'
import { since } from '../tasks/task-text.ts'

/** A node of `node ls`, with the tasks that have a place on it. */
type TopJson = NodeJson & { tasks: Pick<TaskJson, 'id' | 'title' | 'agent' | 'status' | 'step' | 'stepEnteredAt'>[] }

const SLOTS_SHOWN_MAX = 6
const LOAD_CELLS = 8

export async function top(cli: Cli, isOnce: boolean, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const isText = shape.format === 'table' || shape.format === 'wide'
  if (isText && cli.stdout.isTTY && !isOnce)
    return watchList(cli, async () => textOf(await machinesOf(cli), shapeOf(cli, command)))
  const found = await machinesOf(cli)
  if (!isText) return printList(cli, shape, topJson(found), { columns: nodeColumns(), id: ({ name }) => name })
  if (found.nodes.length === 0) return say(cli, NO_NODES)
  cli.stdout.write(textOf(found, shape))
}

const NO_NODES = 'no nodes; the first task that needs one brings it'

interface Machines {
  nodes: NodeJson[]
  /** Those that have a place, or wait for one that is theirs. */
  tasks: TaskJson[]
}

async function machinesOf(cli: Cli): Promise<Machines> {
  const query = new URLSearchParams(
    ['delegated', 'in_progress', 'parked'].map((one): [string, string] => ['status', one]),
  )
  const [nodes, tasks] = await Promise.all([
    cli.client().call<NodeJson[]>({ path: '/nodes' }),
    collected(pages<TaskJson>(cli.client(), '/tasks', query), task => task),
  ])
  return { nodes, tasks: tasks.filter(({ node }) => node !== null) }
}

function topJson({ nodes, tasks }: Machines): TopJson[] {
  return nodes.map(node => ({
    ...node,
    tasks: tasks
      .filter(task => task.node?.name === node.name)
      .map(({ id, title, agent, status, step, stepEnteredAt }) => ({ id, title, agent, status, step, stepEnteredAt })),
  }))
}

function textOf({ nodes, tasks }: Machines, shape: Shape): string {
  if (nodes.length === 0) return `${NO_NODES}\n`
  const { clock } = realWorld()
  const above = render(nodes, shape, { columns: nodeColumns(clock.now()), id: ({ name }) => name })
  const below = render(
    tasks,
    { ...shape, columns: undefined },
    { columns: taskColumns(clock.now()), id: ({ id }) => id },
  )
  const text = `${sumOf(nodes)}\n\n${above}${tasks.length === 0 ? '' : `\n${below}`}`
  return shape.paint === undefined ? sanitize(text) : text
}

function sumOf(found: readonly NodeJson[]): string {
  const used = found.reduce((sum, { workspaces }) => sum + workspaces, 0)
  const all = found.reduce((sum, { maxWorkspaces }) => sum + maxWorkspaces, 0)
  const price = found.reduce((sum, { pricePerHour }) => sum + (pricePerHour ?? 0), 0)
  const count = found.length === 1 ? '1 machine' : `${found.length} machines`
  return `${count}, ${used} of ${all} places taken${price > 0 ? `, €${price.toFixed(4)} an hour` : ''}`
}

const TONES: Record<Worry, Tone | undefined> = { none: undefined, busy: 'wait', full: 'bad' }

function loadColumn(
  title: string,
  key: 'cpuPercent' | 'memoryPercent' | 'diskPercent',
  isSpare: boolean,
): Column<NodeJson> {
  return {
    title,
    of: ({ load }) => percentBar(load?.[key] ?? null, LOAD_CELLS),
    tone: ({ load }) => TONES[worryOf(load?.[key] ?? null)],
    ...(isSpare ? { spare: true } : {}),
  }
}

const nodeColumns = (now = 0): readonly Column<NodeJson>[] => [
  { title: 'NODE', of: ({ name }) => oneLine(name) },
  { title: 'STATE', of: ({ status }) => status, tone: node => nodeStateOf(node).tone },
  {
    title: 'TASKS',
    of: ({ workspaces, maxWorkspaces }) =>
      `${workspaces}/${maxWorkspaces} ${bar(workspaces, maxWorkspaces, SLOTS_SHOWN_MAX)}`,
  },
  loadColumn('PROCESSOR', 'cpuPercent', false),
  loadColumn('MEMORY', 'memoryPercent', true),
  loadColumn('DISK', 'diskPercent', true),
  {
    title: 'PRICE/H',
    of: ({ pricePerHour }) => (pricePerHour === null ? '-' : `€${pricePerHour.toFixed(4)}`),
    spare: true,
  },
  { title: 'WARM', of: ({ warmUntil }) => leftText(warmUntil, now), spare: true },
]

/** How long it is kept without work. */
function leftText(until: string | null, now: number): string {
  if (until === null) return '-'
  const ms = Date.parse(until) - now
  return ms <= 0 ? 'over' : formatDurationShort(ms)
}

const taskColumns = (now: number): readonly Column<TaskJson>[] => [
  { title: 'NODE', of: ({ node }) => oneLine(node?.name ?? '-') },
  { title: 'STATE', of: signed, tone: task => stateOf(task).tone },
  { title: 'ID', of: ({ id }) => id, spare: true },
  { title: 'AGENT', of: ({ agent }) => oneLine(agent), spare: true },
  { title: 'FOR', of: ({ stepEnteredAt }) => since(stepEnteredAt, now) },
  { title: 'TITLE', of: ({ title }) => oneLine(title), flexible: true },
]

function signed(task: TaskJson): string {
  const { symbol, word } = stateOf(task)
  return `${symbol} ${word}`
}
