/** Following: `logs`, `events`, `errors`. */
import { Command, InvalidArgumentError } from 'commander'
import { streamEvents } from '../src/event-stream.ts'
import { eventText } from '../src/event-text.ts'
import type { ErrorRowJson, EventJson, TaskJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { type Cli, formatOf, print } from './cli.ts'
import { examples } from './examples.ts'
import { catchInterrupt } from './interrupt.ts'
import { copyLog, followLog } from './log-follow.ts'
import { type Column, render } from './output.ts'

const PAGE = 1_000

export function logsCommand(cli: Cli): Command {
  return new Command('logs')
    .description("the agent's output, also after its workspace is gone")
    .argument('<task>', 'an id, four or more of its first characters, or @last')
    .option('-f, --follow', 'go on until the task is over')
    .option('--session <id>', 'of this session; "setup" is that of the setup command')
    .addHelpText('after', examples('logs'))
    .action(async (reference: string, options: { follow?: boolean; session?: string }) => {
      const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
      const interrupt = catchInterrupt()
      const session = options.session === undefined ? {} : { session: options.session }
      const log = { signal: interrupt.signal, to: cli.stdout, ...session }
      try {
        await (options.follow ? followLog(cli, task.id, log).finished() : copyLog(cli, task.id, log))
        if (interrupt.signal.aborted) cli.exitCode = 130
      } finally {
        interrupt.done()
      }
    })
}

export function eventsCommand(cli: Cli): Command {
  return new Command('events')
    .description('what happened, from the journal')
    .option('--follow', 'go on with what happens')
    .option('--since <seq>', 'behind this number', wholeNumber, 0)
    .addHelpText('after', examples('events'))
    .action(async (options: { follow?: boolean; since: number }, command: Command) => {
      const format = formatOf(command)
      if (options.follow) return followEvents(cli, options.since)
      const events: EventJson[] = []
      for (let after = options.since; ; after = events.at(-1)?.seq ?? after) {
        const page = await cli.client().call<EventJson[]>({ path: `/events?after=${after}` })
        events.push(...page)
        if (page.length < PAGE) break
      }
      const width = cli.stdout.isTTY ? cli.stdout.columns : undefined
      print(cli, render(events, format, { columns: eventColumns, id: ({ seq }) => String(seq), width }))
    })
}

/** One object a line, until somebody has enough. */
export async function followEvents(cli: Cli, after: number | 'now'): Promise<void> {
  const interrupt = catchInterrupt()
  try {
    for await (const streamed of streamEvents(cli.client(), { after, signal: interrupt.signal })) {
      if (streamed.kind === 'event') print(cli, JSON.stringify(streamed.event))
    }
    cli.exitCode = 130
  } finally {
    interrupt.done()
  }
}

export function errorsCommand(cli: Cli): Command {
  return new Command('errors')
    .description('what went wrong, newest first')
    .option('--task <task>', 'of this task only')
    .addHelpText('after', examples('errors'))
    .action(async ({ task }: { task?: string }, command: Command) => {
      const query = task === undefined ? '' : `?task=${encodeURIComponent(task)}`
      const errors = await cli.client().call<ErrorRowJson[]>({ path: `/errors${query}` })
      const width = cli.stdout.isTTY ? cli.stdout.columns : undefined
      print(cli, render(errors, formatOf(command), { columns: errorColumns, id: ({ id }) => id, width }))
    })
}

const eventColumns: readonly Column<EventJson>[] = [
  { title: 'SEQ', of: ({ seq }) => String(seq) },
  { title: 'TIME', of: ({ at }) => at },
  { title: 'ABOUT', of: ({ taskId, nodeName }) => oneLine(taskId ?? nodeName ?? '-') },
  { title: 'TYPE', of: ({ type }) => oneLine(type) },
  { title: 'WHAT', of: eventText, flexible: true },
]

const errorColumns: readonly Column<ErrorRowJson>[] = [
  { title: 'TIME', of: ({ at }) => at },
  { title: 'LEVEL', of: ({ level }) => level },
  { title: 'TASK', of: ({ taskId }) => taskId ?? '-' },
  { title: 'STEP', of: ({ step }) => step ?? '-' },
  { title: 'SOURCE', of: ({ source }) => oneLine(source), wide: true },
  { title: 'CODE', of: ({ code }) => oneLine(code) },
  { title: 'MESSAGE', of: ({ message }) => oneLine(message), flexible: true },
]

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.')
  return Number(text)
}
