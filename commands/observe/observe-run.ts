/** What `logs`, `events` and `errors` do. */
import type { Command } from 'commander'
import { streamEvents } from '../../src/clients/events.ts'
import { pages } from '../../src/clients/pages.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { ErrorRowJson, EventJson, TaskJson } from '../../src/protocol/control.ts'
import { eventText } from '../../src/text/events.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { renderer } from '../../src/transcript/render.ts'
import { type Cli, durationOf, print, printJson, type Shape, say, shapeOf } from '../cli/cli.ts'
import { type Column, printParts } from '../cli/table.ts'
import { since } from '../tasks/task-text.ts'
import { catchInterrupt } from '../tasks/wait-run.ts'
import { copyLog, followLog, writeStamped } from './log-follow.ts'
import { createStamps, sinceOffset, tailOffset } from './log-times.ts'

const PAGE = 1_000
/** Shown on a terminal, where silence looks like a fault; a pipe gets what there is. */
const NOTHING = 'there is no output'

export interface LogsOptions {
  follow?: boolean
  tail?: number
  since?: string
  session?: string
  timestamps?: boolean
}

export async function logs(cli: Cli, reference: string, options: LogsOptions): Promise<void> {
  const sinceMs = options.since === undefined ? undefined : durationOf(options.since, '--since')
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const interrupt = catchInterrupt()
  const session = options.session === undefined ? {} : { session: options.session }
  try {
    const place = { signal: interrupt.signal, ...session }
    const tail = options.tail === undefined ? 0 : await tailOffset(cli, task.id, options.tail, place)
    const since = sinceMs === undefined ? 0 : await sinceOffset(cli, task.id, sinceMs, place)
    const after = Math.max(tail, since)
    const render = renderer()
    const stamps = options.timestamps ? createStamps(cli, task.id, place) : undefined
    const log = { ...place, to: cli.stdout, after, render, ...(stamps ? { stamps } : {}) }
    const end = options.follow ? await followLog(cli, task.id, log).finished() : await copyLog(cli, task.id, log)
    if (stamps) await writeStamped(cli.stdout, stamps.rest(), render)
    if (interrupt.signal.aborted) cli.exitCode = 130
    else if (cli.stdout.isTTY && after === end) say(cli, NOTHING)
  } finally {
    interrupt.done()
  }
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
        print(cli, `${event.at}  ${event.taskId ?? event.nodeName ?? '-'}  ${event.type}  ${eventText(event)}`)
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
  { title: 'TIME', of: ({ at }) => at, wide: true },
  { title: 'ABOUT', of: ({ taskId, nodeName }) => oneLine(taskId ?? nodeName ?? '-') },
  { title: 'TYPE', of: ({ type }) => oneLine(type), spare: true },
  { title: 'WHAT', of: eventText, flexible: true },
]

const errorColumns = (now: number): readonly Column<ErrorRowJson>[] => [
  { title: 'AGO', of: ({ at }) => since(at, now) },
  { title: 'TIME', of: ({ at }) => at, wide: true },
  { title: 'LEVEL', of: ({ level }) => level, spare: true },
  { title: 'TASK', of: ({ taskId }) => taskId ?? '-' },
  { title: 'STEP', of: ({ step }) => step ?? '-', spare: true },
  { title: 'SOURCE', of: ({ source }) => oneLine(source), wide: true },
  { title: 'CODE', of: ({ code }) => oneLine(code) },
  { title: 'MESSAGE', of: ({ message }) => oneLine(message), flexible: true },
]
