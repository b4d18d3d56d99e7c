/** What `ls`, `show` and `why` do. */
import type { Command } from 'commander'
import { collected, pages } from '../../src/clients/pages.ts'
import { formatDurationShort } from '../../src/core/duration.ts'
import { isTerminal } from '../../src/core/task.ts'
import { realWorld } from '../../src/platform/world.ts'
import { type EventJson, MORE, type TaskJson, type WhyJson } from '../../src/protocol/control.ts'
import { took } from '../../src/text/events.ts'
import { cardText, type Failing, isFailedStage } from '../../src/text/failure.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { stageName, stageTimes } from '../../src/text/steps.ts'
import { scheduleText } from '../../src/text/tasks.ts'
import { localTime, withLocalTimes } from '../../src/text/times.ts'
import { byUrgency } from '../../src/text/urgency.ts'
import { estimateText } from '../../src/text/waiting.ts'
import { idsOfGroup } from '../cli/arguments.ts'
import { type Cli, durationOf, formatOf, printJson, printOne, type Shape, say, shapeOf, usage } from '../cli/cli.ts'
import { paintedCard, paintedFacts, paintOf } from '../cli/colour.ts'
import { pairs, printList, printParts, render, sorted, table } from '../cli/table.ts'
import { cardOf } from './failure-card.ts'
import { ago, NO_TASKS, taskColumns, taskDetails, toneOf } from './task-text.ts'

export interface ListOptions {
  all?: boolean
  status: string[]
  label: Record<string, string>
  group?: string
  schedule?: string
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
    const { tasks, more } = await tasksOf(cli, options, now)
    if (tasks.length === 0 && shape.format === 'table') return `${noneText(options)}\n`
    const { columns, id } = taskList(now)
    const text = render(ordered(tasks, shape, options, now), shape, { columns, id })
    const note = more > 0 && shape.format === 'table' ? `${moreText(more)}\n` : ''
    return (shape.paint === undefined && shape.format !== 'json' ? sanitize(text) : text) + note
  })
}

/** How the daemon is asked for the list; undefined for the short one. */
function queryOf(options: ListOptions, now: number): URLSearchParams | undefined {
  const query = taskQuery(options)
  if (options.all) query.set('all', 'true')
  if (options.since !== undefined) query.set('created_after', String(now - durationOf(options.since, '--since')))
  return query.size > 0 || options.limit !== undefined ? query : undefined
}

async function tasksOf(cli: Cli, options: ListOptions, now: number): Promise<{ tasks: TaskJson[]; more: number }> {
  const query = queryOf(options, now)
  if (query) {
    const tasks = await collected(pages<TaskJson>(cli.client(), '/tasks', query, options.limit), task => task)
    return { tasks, more: 0 }
  }
  const { headers, body } = await cli.client().raw({ path: '/tasks' })
  // As in `call`: the shapes are those of the daemon of the same version.
  return { tasks: JSON.parse(body.toString('utf8')) as TaskJson[], more: Number(headers[MORE] ?? 0) }
}

async function listOnce(cli: Cli, options: ListOptions, command: Command): Promise<void> {
  const now = realWorld().clock.now()
  const shape = shapeOf(cli, command)
  const query = queryOf(options, now)
  // An order of one's own needs all of them at once.
  if (query && options.sort === undefined) {
    const found = pages<TaskJson>(cli.client(), '/tasks', query, options.limit)
    return printParts(cli, shape, found, taskList(now), noneText(options))
  }
  const { tasks, more } = await tasksOf(cli, options, now)
  if (tasks.length === 0 && shape.format === 'table') return say(cli, noneText(options))
  const { columns, id } = taskList(now)
  printList(cli, shape, ordered(tasks, shape, options, now), { columns, id })
  if (more > 0) say(cli, moreText(more))
}

/** As `--sort` has it; else people see first what matters, and programs the newest. */
function ordered(tasks: readonly TaskJson[], { format }: Shape, { sort }: ListOptions, now: number) {
  const isForPeople = format === 'table' || format === 'wide'
  if (sort !== undefined || !isForPeople) return sorted(tasks, taskColumns(now), sort)
  return byUrgency(tasks, now)
}

/** What stands in place of an empty list: with a filter, that nothing passes it. */
function noneText({ status, label, group, schedule, since }: ListOptions): string {
  const labels = Object.entries(label).map(([key, value]) => `with the label ${key}=${value}`)
  const wishes = [
    ...(status.length > 0 ? [`that is ${status.join(' or ')}`] : []),
    ...labels,
    ...(group === undefined ? [] : [`in a group ${group}`]),
    ...(schedule === undefined ? [] : [`of a schedule ${schedule}`]),
    ...(since === undefined ? [] : [`submitted within ${since}`]),
  ]
  return wishes.length === 0 ? NO_TASKS : `there is no task ${wishes.join(', ')}; every one: tdf ls --all`
}

const taskList = (now: number) => ({ columns: taskColumns(now), id: ({ id }: TaskJson) => id })

const moreText = (more: number) => `${String(more).replace(/\B(?=(\d{3})+$)/g, ' ')} more: tdf ls --all`

/** The filters of the daemon's list. */
export function taskQuery({
  status,
  label,
  ...names
}: Pick<ListOptions, 'status' | 'label' | 'group' | 'schedule'>): URLSearchParams {
  const labels = Object.entries(label).map(([key, value]): [string, string] => ['label', `${key}=${value}`])
  const { group, schedule } = names
  const named = Object.entries({ group, schedule }).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return new URLSearchParams([...status.map((word): [string, string] => ['status', word]), ...labels, ...named])
}

export async function show(cli: Cli, reference: string, command: Command): Promise<void> {
  const path = `/tasks/${encodeURIComponent(reference)}`
  const task = await cli.client().call<TaskJson>({ path })
  const format = formatOf(command)
  const isText = format === 'table' || format === 'wide'
  const events = isText ? await cli.client().call<EventJson[]>({ path: `${path}/events` }) : []
  const card = isText ? cardText(await cardOf(cli, task, reference)) : ''
  const text = () =>
    taskDetails(task, realWorld().clock.now(), card !== '') +
    timelineText(task, events) +
    (card === '' ? '' : `\n${card}\n`)
  const painter = paintOf(cli, cli.stdout)
  const paint = (safe: string) => paintedCard(paintedFacts(safe, painter, toneOf(task)), painter)
  printOne(cli, format, task, { id: task.id, text, paint })
}

export async function why(cli: Cli, reference: string | undefined, command: Command): Promise<void> {
  if (reference === undefined) throw usage('which task? name one, or a --group', 'tdf ls')
  const answer = await cli.client().call<WhyJson>({ path: `/tasks/${encodeURIComponent(reference)}/why` })
  const format = formatOf(command)
  if (format === 'json' || format === 'ndjson') return printJson(cli, answer)
  const text = () => whyText(answer, realWorld().clock.now())
  const paint = (safe: string) => paintedFacts(safe, paintOf(cli, cli.stdout), undefined)
  printOne(cli, format, answer, { id: answer.taskId, text, paint })
}

/** A line for each task of the group that is not over. */
export async function whyGroup(cli: Cli, reference: string | undefined, group: string, command: Command) {
  if (reference !== undefined) throw usage('name a task or a group, not both', 'tdf why --help')
  const answers: WhyJson[] = []
  for (const id of await idsOfGroup(cli, group))
    answers.push(await cli.client().call<WhyJson>({ path: `/tasks/${id}/why` }))
  const open = answers.filter(({ status }) => !isTerminal(status))
  const format = formatOf(command)
  if (format === 'json') return printJson(cli, open)
  if (format === 'table') say(cli, `${answers.length - open.length} of ${answers.length} tasks of ${group} are over`)
  const text = ({ taskId, sentence }: WhyJson) => `${taskId}  ${withLocalTimes(oneLine(sentence))}`
  for (const answer of open) printOne(cli, format, answer, { id: answer.taskId, text })
}

/** The answer of `tdf why`, for people. */
export function whyText(why: WhyJson, now: number): string {
  const facts = pairs([
    ['since', why.since && ago(why.since, now)],
    ['next look', why.next && away(why.next, now)],
    ['until', why.until && `${localTime(why.until)} (${away(why.until, now)})`],
    ['estimate', estimateText(why, now)],
    ['to change it', why.command],
    ['schedule', why.scheduled ? scheduleText(why.scheduled) : null],
  ])
  const nodes = why.nodes.length === 0 ? '' : `\n${table(why.nodes, nodeColumns)}`
  return `${withLocalTimes(oneLine(why.sentence))}\n${facts === '' ? '' : `\n${facts}`}${nodes}`
}

const nodeColumns = [
  { title: 'NODE', of: ({ name }: WhyJson['nodes'][number]) => oneLine(name) },
  { title: 'WHY NOT', of: ({ reason }: WhyJson['nodes'][number]) => oneLine(reason) },
]

function away(at: string, now: number): string {
  const ms = Date.parse(at) - now
  return ms > 0 ? `in ${formatDurationShort(ms)}` : 'now'
}

/** The stages of a task's newest attempt with their times, from the journal; the one that failed is marked. */
export function timelineText(task: Failing, events: readonly EventJson[]): string {
  const stages = stageTimes(events)
  if (stages.length === 0) return ''
  const lines = stages.map(({ stage, at, ms }) => {
    const mark = isFailedStage(task, stage) ? '✗' : '✓'
    return `${mark} ${localTime(at)}  ${stageName(stage).padEnd(12)}  ${ms === null ? '' : took(ms)}`.trimEnd()
  })
  return `steps\n${lines.join('\n')}\n`
}
