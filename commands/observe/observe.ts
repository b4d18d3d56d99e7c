/** Following: `logs`, `events`, `errors`. */
import { Command } from 'commander'
import { ATTEMPT, wholeNumber } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { LogsOptions } from './observe-run.ts'

export function logsCommand(cli: Cli): Command {
  return new Command('logs')
    .description("the agent's output, also after its workspace is gone")
    .argument('<task>', ATTEMPT)
    .option('-f, --follow', 'go on until the task is over')
    .option('--tail <lines>', 'only the last lines, so many', wholeNumber)
    .option('--since <duration>', 'only what was written within this time, such as 10m')
    .option('-t, --timestamps', 'the time before each line, by the clock of its machine')
    .option('--failed', 'the output of what failed: the agent, the set-up or the check')
    .option('--raw', "byte for byte: with every escape, and an agent's stream as it came")
    .option('--session <id>', 'of this session; "setup", "check" and "pick" are those of these commands')
    .addHelpText('after', examples('logs'))
    .action(async (reference: string, options: LogsOptions, command: Command) => {
      const { logs } = await import('./observe-run.ts')
      await logs(cli, reference, options, command)
    })
}

export function eventsCommand(cli: Cli): Command {
  return new Command('events')
    .description('what happened, from the journal')
    .option('--follow', 'go on with what happens')
    .option('--since <seq>', 'behind this number', wholeNumber, 0)
    .addHelpText('after', examples('events'))
    .action(async (options: { follow?: boolean; since: number }, command: Command) => {
      const { events } = await import('./observe-run.ts')
      await events(cli, options, command)
    })
}

export function errorsCommand(cli: Cli): Command {
  return new Command('errors')
    .description('what went wrong, newest first')
    .option('--task <task>', 'of this task only')
    .addHelpText('after', examples('errors'))
    .action(async ({ task }: { task?: string }, command: Command) => {
      const { errors } = await import('./observe-run.ts')
      await errors(cli, task, command)
    })
}
