/** Looking at tasks: `ls`, `show`, `why`. */
import { Command } from 'commander'
import type { TaskJson, WhyJson } from '../src/protocol/control.ts'
import { realWorld } from '../src/world.ts'
import { type Cli, formatOf, print, say } from './cli.ts'
import { examples } from './examples.ts'
import { render } from './output.ts'
import { NO_TASKS, taskColumns, taskDetails } from './task-text.ts'
import { timelineText } from './timeline.ts'
import { whyText } from './why-text.ts'

export function lsCommand(cli: Cli): Command {
  return new Command('ls')
    .description('live and recent tasks')
    .option('--all', 'every task, however old')
    .option('--status <status>', 'only these; may be given several times', collect, [])
    .addHelpText('after', examples('ls'))
    .action(async (options: { all?: boolean; status: string[] }, command: Command) => {
      const query = new URLSearchParams(options.status.map((status): [string, string] => ['status', status]))
      if (options.all) query.set('all', 'true')
      const tasks = await cli.client().call<TaskJson[]>({ path: `/tasks?${query}` })
      const format = formatOf(command)
      if (tasks.length === 0 && format === 'table') return say(cli, NO_TASKS)
      const width = cli.stdout.isTTY ? cli.stdout.columns : undefined
      const columns = taskColumns(realWorld().clock.now())
      print(cli, render(tasks, format, { columns, id: ({ id }) => id, width }))
    })
}

export function showCommand(cli: Cli): Command {
  return new Command('show')
    .description('everything about one task, with its steps and their times')
    .argument('<task>', 'an id, four or more of its first characters, or @last')
    .addHelpText('after', examples('show'))
    .action(async (reference: string, _options, command: Command) => {
      const path = `/tasks/${encodeURIComponent(reference)}`
      const task = await cli.client().call<TaskJson>({ path })
      const format = formatOf(command)
      if (format === 'id') return print(cli, task.id)
      if (format === 'json' || format === 'ndjson') return print(cli, JSON.stringify(task))
      const events = await cli.client().call<Parameters<typeof timelineText>[0]>({ path: `${path}/events` })
      print(cli, taskDetails(task, realWorld().clock.now()) + timelineText(events))
    })
}

export function whyCommand(cli: Cli): Command {
  return new Command('why')
    .description('what a task waits for, until when, and what would change it')
    .argument('<task>', 'an id, four or more of its first characters, or @last')
    .addHelpText('after', examples('why'))
    .action(async (reference: string, _options, command: Command) => {
      const why = await cli.client().call<WhyJson>({ path: `/tasks/${encodeURIComponent(reference)}/why` })
      const format = formatOf(command)
      const isData = format === 'json' || format === 'ndjson'
      print(cli, isData ? JSON.stringify(why) : whyText(why, realWorld().clock.now()))
    })
}

export function collect(text: string, known: string[]): string[] {
  return [...known, text]
}
