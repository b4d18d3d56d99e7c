/** What `logs`, `events` and `errors` do. */
import type { Command } from 'commander'
import { streamEvents } from '../../src/clients/events.ts'
import { createStamps, logMarks } from '../../src/clients/log-times.ts'
import { pages } from '../../src/clients/pages.ts'
import { TdfError } from '../../src/core/errors.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { ErrorRowJson, EventJson, TaskJson } from '../../src/protocol/control.ts'
import { eventText } from '../../src/text/events.ts'
import { cardText, failureCard, failureOf } from '../../src/text/failure.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { localTime } from '../../src/text/times.ts'
import { type Cli, durationOf, formatOf, print, printJson, type Shape, say, shapeOf, usage } from '../cli/cli.ts'
import { type Column, printParts } from '../cli/table.ts'
import { attemptOf } from '../results/taken.ts'
import { since } from '../tasks/task-text.ts'
import { catchInterrupt } from '../tasks/wait-run.ts'
import { copyLog, followLog } from './log-follow.ts'
import { logSink } from './log-sink.ts'
import { sinceOffset, tailOffset } from './log-times.ts'

const PAGE = 1_000
/** Shown on a terminal, where silence looks like a fault; a pipe gets what there is. */
const NOTHING = 'there is no output'

export interface LogsOptions {
  follow?: boolean
  tail?: number
  since?: string
  session?: string
  timestamps?: boolean
  failed?: boolean
  raw?: boolean
}

export async function logs(cli: Cli, reference: string, options: LogsOptions, command: Command): Promise<void> {
  const sinceMs = options.since === undefined ? undefined : durationOf(options.since, '--since')
  const format = formatOf(command)
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const place = options.failed ? failedPlace(cli, task, options) : { session: options.session }
  if (place === null) return
  const of = attemptOf(task)
  const interrupt = catchInterrupt()
  try {
    const from = { signal: interrupt.signal, ...(place.session === undefined ? {} : { session: place.session }) }
    const tail = options.tail === undefined ? 0 : await tailOffset(cli, of, options.tail, from)
    const since = sinceMs === undefined ? 0 : await sinceOffset(cli, of, sinceMs, from)
    const after = Math.max(tail, since)
    const isJson = format === 'json' || format === 'ndjson'
    const stamps = options.timestamps || isJson ? createStamps(() => logMarks(cli.client(), of, from)) : undefined
    const sink = logSink(cli, cli.stdout, { format, isRaw: options.raw === true, stamps })
    const log = { ...from, after, sink }
    const end = options.follow ? await followLog(cli, of, log).finished() : await copyLog(cli, of, log)
    await sink.end()
    if (interrupt.signal.aborted) cli.exitCode = 130
    else if (options.failed && end === 0 && !isJson) print(cli, cardText(failureCard(task, null)))
    else if (cli.stdout.isTTY && after === end) say(cli, NOTHING)
  } finally {
    interrupt.done()
  }
}

/** The session whose output belongs to the failure; null where there is none: then the failure itself is all there is. */
function failedPlace(cli: Cli, task: TaskJson, { session }: LogsOptions): { session: string | undefined } | null {
  if (session !== undefined) throw usage('give --failed or --session, not both', `tdf logs ${task.id} --failed`)
  const failure = failureOf(task)
  if (failure === null)
    throw new TdfError('WRONG_STATE', `task ${task.id} did not fail`, { hint: `tdf logs ${task.id}` })
  if (failure.session !== null) return { session: failure.session }
  print(cli, cardText(failureCard(task, null)))
  return null
}

export async function events(cli: Cli, options: { follow?: boolean; since: number }, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  if (options.follow) return followEvents(cli, options.since, shape)
  const columns = eventColumns(realWorld().clock.now())
  await printParts(cli, shape, eventPages(cli, options.since), { columns, id: ({ seq }) => String(seq) })
}

async function* eventPages(cli: Cli, since: number): AsyncGenerator<EventJson[]> {
  for (let after = since; ; ) {
    const page = await cli.client().call<EventJson[]>({ path: `/events?after=${after}` })
    yield page
    if (page.length < PAGE) return
    after = page.at(-1)?.seq ?? after
  }
}

/** One line each, until the reader ends it: text on a terminal, else JSON. */
export async function followEvents(cli: Cli, after: number | 'now', shape?: Shape): Promise<void> {
  const interrupt = catchInterrupt()
  const isText = cli.stdout.isTTY && (shape?.format === 'table' || shape?.format === 'wide')
  try {
    for await (const streamed of streamEvents(cli.client(), { after, signal: interrupt.signal })) {
      if (streamed.kind !== 'event') continue
      const { event } = streamed
      if (isText)
        print(
          cli,
          `${localTime(event.at)}  ${event.taskId ?? event.nodeName ?? '-'}  ${event.type}  ${eventText(event)}`,
        )
      else if (shape?.format === 'id') print(cli, String(event.seq))
      else printJson(cli, event)
    }
    cli.exitCode = 130
  } finally {
    interrupt.done()
  }
}

export async function errors(cli: Cli, task: string | undefined, command: Command): Promise<void> {
  const query = new URLSearchParams(task === undefined ? {} : { task })
  const columns = errorColumns(realWorld().clock.now())
  const found = pages<ErrorRowJson>(cli.client(), '/errors', query)
  await printParts(cli, shapeOf(cli, command), found, { columns, id: ({ id }) => id })
}

const eventColumns = (now: number): readonly Column<EventJson>[] => [
  { title: 'SEQ', of: ({ seq }) => String(seq) },
  { title: 'AGO', of: ({ at }) => since(at, now) },
  { title: 'TIME', of: ({ at }) => localTime(at), wide: true },
  { title: 'ABOUT', of: ({ taskId, nodeName }) => oneLine(taskId ?? nodeName ?? '-') },
  { title: 'TYPE', of: ({ type }) => oneLine(type), spare: true },
  { title: 'WHAT', of: eventText, flexible: true },
]

const errorColumns = (now: number): readonly Column<ErrorRowJson>[] => [
  { title: 'AGO', of: ({ at }) => since(at, now) },
  { title: 'TIME', of: ({ at }) => localTime(at), wide: true },
  { title: 'LEVEL', of: ({ level }) => level, spare: true },
  { title: 'TASK', of: ({ taskId }) => taskId ?? '-' },
  { title: 'STEP', of: ({ step }) => step ?? '-', spare: true },
  { title: 'SOURCE', of: ({ source }) => oneLine(source), wide: true },
  { title: 'CODE', of: ({ code }) => oneLine(code) },
  { title: 'MESSAGE', of: ({ message }) => oneLine(message), flexible: true },
]
