/** Changing tasks: `retry`, `cancel`, `send`, `rm`, `prune`. */
import { Command } from 'commander'
import { asTdfError, ERRORS } from '../src/errors.ts'
import type { TaskJson } from '../src/protocol/control.ts'
import { realWorld } from '../src/world.ts'
import { type Cli, durationOf, formatOf, print, say } from './cli.ts'
import { confirmed } from './confirm.ts'
import { examples } from './examples.ts'
import type { Format } from './output.ts'
import { expand } from './references.ts'
import { taskLine } from './task-text.ts'

export function retryCommand(cli: Cli): Command {
  return new Command('retry')
    .description('open the next attempt of tasks that are over')
    .argument('<task...>', 'ids, first characters of them, @last, or - for a list on stdin')
    .addHelpText('after', examples('retry'))
    .action((references: string[], _options, command: Command) =>
      each(cli, references, formatOf(command), reference => change(cli, reference, 'retry')),
    )
}

export function cancelCommand(cli: Cli): Command {
  return new Command('cancel')
    .description('end tasks; what their agents made is kept')
    .argument('<task...>', 'ids, first characters of them, @last, or - for a list on stdin')
    .addHelpText('after', examples('cancel'))
    .action((references: string[], _options, command: Command) =>
      each(cli, references, formatOf(command), reference => change(cli, reference, 'cancel')),
    )
}

export function sendCommand(cli: Cli): Command {
  return new Command('send')
    .description('tell the agent of a task something more')
    .argument('<task>', 'an id, four or more of its first characters, or @last')
    .argument('[text]', 'what to do next')
    .option('--close', 'end the session afterwards')
    .addHelpText('after', examples('send'))
    .action(async (reference: string, text: string | undefined, { close }: { close?: boolean }, command: Command) => {
      const deliveryId = realWorld().random.bytes(12).toString('hex')
      const json = { text: text ?? '', close: close === true, deliveryId }
      const path = `/tasks/${encodeURIComponent(reference)}/send`
      const task = await cli.client().call<TaskJson>({ method: 'POST', path, json })
      show(cli, task, formatOf(command))
    })
}

export function rmCommand(cli: Cli): Command {
  return new Command('rm')
    .description('forget tasks that are over, with their results')
    .argument('<task...>', 'ids, first characters of them, @last, or - for a list on stdin')
    .addHelpText('after', examples('rm'))
    .action((references: string[], _options, command: Command) =>
      each(cli, references, formatOf(command), reference => remove(cli, reference)),
    )
}

export function pruneCommand(cli: Cli): Command {
  return new Command('prune')
    .description('forget tasks that ended long ago, with their results')
    .option('--older-than <duration>', 'ended before this much time', '30d')
    .option('-n, --dry-run', 'show them only')
    .addHelpText('after', examples('prune'))
    .action(async (options: { olderThan: string; dryRun?: boolean }, command: Command) => {
      const before = realWorld().clock.now() - durationOf(options.olderThan, '--older-than')
      const tasks = await cli.client().call<TaskJson[]>({ path: '/tasks?all=true' })
      const old = tasks.filter(({ completedAt, step }) => step === null && Date.parse(completedAt ?? '') < before)
      const format = formatOf(command)
      if (options.dryRun || old.length === 0) {
        if (old.length === 0) say(cli, `no task ended more than ${options.olderThan} ago`)
        for (const task of old) show(cli, task, format)
        if (format === 'json') print(cli, JSON.stringify(old))
        return
      }
      if (!(await confirmed(cli, command, `forget ${old.length} tasks and their results?`))) return
      const ids = old.map(({ id }) => id)
      await each(cli, ids, format, id => remove(cli, id))
    })
}

function change(cli: Cli, reference: string, what: 'retry' | 'cancel'): Promise<TaskJson> {
  return cli.client().call<TaskJson>({ method: 'POST', path: `/tasks/${encodeURIComponent(reference)}/${what}` })
}

function remove(cli: Cli, reference: string): Promise<TaskJson> {
  const path = `/tasks/${encodeURIComponent(reference)}`
  return cli.client().call<TaskJson>({ method: 'DELETE', path, timeoutMs: 120_000 })
}

/** One after the other. A single failure is the command's; of several, each is said and the first decides the code. */
async function each(
  cli: Cli,
  references: readonly string[],
  format: Format,
  act: (reference: string) => Promise<TaskJson>,
): Promise<void> {
  const all = await expand(cli, references)
  if (all.length === 1 && all[0] !== undefined) return show(cli, await act(all[0]), format)
  const done: TaskJson[] = []
  for (const reference of all) {
    try {
      const task = await act(reference)
      done.push(task)
      if (format !== 'json') show(cli, task, format)
    } catch (thrown) {
      const error = asTdfError(thrown)
      say(cli, `error: ${error.message}\n  hint: ${error.hint}\n  code: ${error.code}`)
      cli.exitCode ||= ERRORS[error.code].exit
    }
  }
  if (format === 'json') print(cli, JSON.stringify(done))
}

function show(cli: Cli, task: TaskJson, format: Format): void {
  if (format === 'json' || format === 'ndjson') return print(cli, JSON.stringify(task))
  print(cli, format === 'id' ? task.id : taskLine(task))
}
