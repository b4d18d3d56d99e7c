/** Changing tasks: `retry`, `continue`, `cancel`, `send`, `rm`, `prune`. */
import { Command, Option } from 'commander'
import { amount, notEmpty, type Selection, selecting, TASK, TASKS } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { Change, ChangeOptions } from './change-run.ts'
import type { ContinueOptions } from './submit/continue.ts'

export function retryCommand(cli: Cli): Command {
  const command = changing(cli, 'retry', 'open the next attempt of tasks that are over')
  return command
    .option('--resume', 'go on with the files and the conversation of the last attempt')
    .option('-w, --wait', 'wait for the verdict of what was opened; the exit code shows it')
    .option('--wait-timeout <duration>', 'stop waiting after this time; the tasks go on')
}

export function cancelCommand(cli: Cli): Command {
  return changing(cli, 'cancel', 'end tasks; what their agents made is kept')
    .option('--children', 'also those that their agents have handed over and that go on; asks on a terminal')
    .option('--no-children', 'these alone')
}

export function rmCommand(cli: Cli): Command {
  const description = 'forget tasks that are over, with their results; asks on a terminal when a result was never taken'
  return changing(cli, 'rm', description)
}

function changing(cli: Cli, what: Change, description: string): Command {
  return selecting(new Command(what).description(description).argument('[task...]', TASKS))
    .option('-n, --dry-run', 'show what would be done')
    .addHelpText('after', examples(what))
    .action(async (references: string[], options: Selection & ChangeOptions, command: Command) => {
      const { changeTasks } = await import('./change-run.ts')
      await changeTasks(cli, what, references, options, command)
    })
}

export function sendCommand(cli: Cli): Command {
  return new Command('send')
    .description('send a message to the agent of a task')
    .argument('<task>', TASK)
    .argument('[text]', 'what to do next; "-" reads it from stdin')
    .option('--close', 'end the session afterwards')
    .addHelpText('after', examples('send'))
    .action(async (reference: string, text: string | undefined, options: { close?: boolean }, command: Command) => {
      const { send } = await import('./change-run.ts')
      await send(cli, reference, text ?? '', options.close === true, command)
    })
}

export function continueCommand(cli: Cli): Command {
  return new Command('continue')
    .description('go on from the saved work of a task that is over, in a new attempt that is told what to do next')
    .argument('<task>', TASK)
    .argument('[text]', 'what to do next; "-" reads it from stdin; without it: go on until the task is done')
    .option('--agent <name>', 'another agent; one of another type gets the files and not the conversation')
    .option('--check <command>', "decides whether the work is verified (default: the task's own)")
    .option('--timeout <duration>', 'end the agent after this time, such as 45m')
    .addOption(
      new Option('--max-cost <usd>', 'end the agent once all attempts together have cost more').argParser(amount),
    )
    .option('--push', 'push the branch once the attempt is completed; it only moves forward')
    .option('--pr', 'push it and open a pull request, unless there is one')
    .option('--no-push', 'keep it here')
    .option('--idempotency-key <key>', 'the same key again is the same attempt', notEmpty)
    .option('-w, --wait', 'wait for the verdict; the exit code shows it')
    .option('-f, --follow', "show the agent's output while waiting")
    .option('--wait-timeout <duration>', 'stop waiting after this time; the task goes on')
    .addHelpText('after', examples('continue'))
    .action(async (reference: string, text: string | undefined, options: ContinueOptions, command: Command) => {
      const { continueTask } = await import('./submit/continue.ts')
      await continueTask(cli, reference, text, options, command)
    })
}

export function pruneCommand(cli: Cli): Command {
  return new Command('prune')
    .description('forget tasks that ended long ago, with their results')
    .option('--older-than <duration>', 'ended before this much time', '30d')
    .option('-n, --dry-run', 'show them only')
    .addHelpText('after', examples('prune'))
    .action(async (options: { olderThan: string; dryRun?: boolean }, command: Command) => {
      const { prune } = await import('./change-run.ts')
      await prune(cli, options.olderThan, options.dryRun === true, command)
    })
}
