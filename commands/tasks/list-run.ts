/** What `ls`, `show` and `why` do. */
import type { Command } from 'commander'
import { formatDurationShort } from '../../src/core/duration.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../src/protocol/control.ts'
import { stepTimes, took } from '../../src/text/events.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { type Cli, durationOf, formatOf, printJson, printOne, say, shapeOf } from '../cli/cli.ts'
import { paintedFacts, paintOf } from '../cli/colour.ts'
import { pairs, printList, render, sorted, table } from '../cli/table.ts'
import { NO_TASKS, since, taskColumns, taskDetails, toneOf } from './task-text.ts'

export interface ListOptions {
  all?: boolean
  status: string[]
  label: Record<string, string>
  since?: string
  limit?: number
  sort?: string
  watch?: boolean
}

export async function list(cli: Cli, options: ListOptions, command: Command): Promise<void> {
  if (!options.watch) return listOnce(cli, options, command)
  const { watchList } = await import('./list-watch.ts')
  await watchList(cli, async () => {
    const shape = shapeOf(cli, command)
    const now = realWorld().clock.now()
    const [tasks, columns] = [await tasksOf(cli, options, now), taskColumns(now)]
    if (tasks.length === 0 && shape.format === 'table') return `${NO_TASKS}\n`
    const text = render(sorted(tasks, columns, options.sort), shape, { columns, id: ({ id }) => id })
    return shape.paint === undefined && shape.format !== 'json' ? sanitize(text) : text
  })
}

async function tasksOf(cli: Cli, options: ListOptions, now: number): Promise<TaskJson[]> {
  const query = taskQuery(options)
  if (options.all) query.set('all', 'true')
  if (options.since !== undefined) query.set('created_after', String(now - durationOf(options.since, '--since')))
  if (options.limit !== undefined) query.set('limit', String(options.limit))
  return cli.client().call<TaskJson[]>({ path: query.size > 0 ? `/tasks?${query}` : '/tasks' })
}

async function listOnce(cli: Cli, options: ListOptions, command: Command): Promise<void> {
  const now = realWorld().clock.now()
  const tasks = await tasksOf(cli, options, now)
  const shape = shapeOf(cli, command)
  if (tasks.length === 0 && shape.format === 'table') return say(cli, NO_TASKS)
  const columns = taskColumns(now)
  printList(cli, shape, sorted(tasks, columns, options.sort), { columns, id: ({ id }) => id })
}

/** The filters of the daemon's list. */
export function taskQuery({ status, label }: Pick<ListOptions, 'status' | 'label'>): URLSearchParams {
  const labels = Object.entries(label).map(([key, value]): [string, string] => ['label', `${key}=${value}`])
  return new URLSearchParams([...status.map((word): [string, string] => ['status', word]), ...labels])
}

export async function show(cli: Cli, reference: string, command: Command): Promise<void> {
  const path = `/tasks/${encodeURIComponent(reference)}`
  const task = await cli.client().call<TaskJson>({ path })
  const format = formatOf(command)
  const isText = format === 'table' || format === 'wide'
  const events = isText ? await cli.client().call<EventJson[]>({ path: `${path}/events` }) : []
  const text = () => taskDetails(task, realWorld().clock.now()) + timelineText(events)
  const paint = (safe: string) => paintedFacts(safe, paintOf(cli, cli.stdout), toneOf(task))
  printOne(cli, format, task, { id: task.id, text, paint })
}

export async function why(cli: Cli, reference: string, command: Command): Promise<void> {
  const answer = await cli.client().call<WhyJson>({ path: `/tasks/${encodeURIComponent(reference)}/why` })
  const format = formatOf(command)
  if (format === 'json' || format === 'ndjson') return printJson(cli, answer)
  const text = () => whyText(answer, realWorld().clock.now())
  const paint = (safe: string) => paintedFacts(safe, paintOf(cli, cli.stdout), undefined)
  printOne(cli, format, answer, { id: answer.taskId, text, paint })
}

/** The answer of `tdf why`, for people. */
export function whyText(why: WhyJson, now: number): string {
  const facts = pairs([
    ['since', why.since && `${since(why.since, now)} ago`],
    ['next look', why.next && away(why.next, now)],
    ['until', why.until && `${why.until} (${away(why.until, now)})`],
    ['estimate', why.estimate && oneLine(why.estimate)],
    ['to change it', why.command],
  ])
  const nodes = why.nodes.length === 0 ? '' : `\n${table(why.nodes, nodeColumns)}`
  return `${oneLine(why.sentence)}\n${facts === '' ? '' : `\n${facts}`}${nodes}`
}

const nodeColumns = [
  { title: 'NODE', of: ({ name }: WhyJson['nodes'][number]) => oneLine(name) },
  { title: 'WHY NOT', of: ({ reason }: WhyJson['nodes'][number]) => oneLine(reason) },
]

function away(at: string, now: number): string {
  const ms = Date.parse(at) - now
  return ms > 0 ? `in ${formatDurationShort(ms)}` : 'now'
}

/** The steps of a task's newest attempt with their times, from the journal. */
export function timelineText(events: readonly EventJson[]): string {
  const steps = stepTimes(events)
  if (steps.length === 0) return ''
  const lines = steps.map(({ step, at, ms }) =>
    `  ${at}  ${oneLine(step).padEnd(18)}  ${ms === null ? '' : took(ms)}`.trimEnd(),
  )
  return `steps\n${lines.join('\n')}\n`
}
