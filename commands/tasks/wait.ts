/** `wait` and `watch`: until tasks are in the state that was asked for. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { isPullOver, isSettled, STEPS } from '../../src/core/task.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { groupName, idsOf, idsOfGroup } from '../cli/arguments.ts'
import { type Cli, durationOf, formatOf, usage } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

type IsThere = (task: TaskJson) => boolean

export function waitCommand(cli: Cli): Command {
  return new Command('wait')
    .description('wait for tasks; the exit code shows how they ended')
    .argument('[task...]', 'ids, first characters of them, @last or @last-failed')
    .option('--group <name>', 'all of this group', groupName)
    .addOption(goalOption())
    .option('--any', 'until one of them is there')
    .option('--timeout <duration>', 'stop waiting after this time; the tasks go on')
    .addHelpText('after', examples('wait'))
    .action(async (references: string[], options: WaitingOptions, command: Command) => {
      const { waitForTasks } = await import('./wait-run.ts')
      const ids = await namedBy(cli, references, options.group)
      const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, '--timeout')
      const format = formatOf(command)
      await waitForTasks(cli, ids, {
        timeoutMs,
        format,
        isThere: options.for,
        isAny: options.any === true,
        asList: ids.length > 1,
        isGroup: options.group !== undefined,
      })
    })
}

interface WaitingOptions {
  for: IsThere
  group?: string
  any?: boolean
  timeout?: string
}

/** Throws USAGE unless tasks are named or a group, and not both. */
async function namedBy(cli: Cli, references: readonly string[], group: string | undefined): Promise<string[]> {
  if (group === undefined && references.length > 0) return idsOf(cli, references)
  if (group !== undefined && references.length === 0) return idsOfGroup(cli, group)
  const what = group === undefined ? 'which tasks? name them, or a --group' : 'name tasks or a group, not both'
  throw usage(what, 'tdf wait --help')
}

export function watchCommand(cli: Cli): Command {
  return new Command('watch')
    .description('watch tasks until they are over; without one: the dashboard, or events as ndjson in a pipe')
    .argument('[task...]', 'ids, first characters of them, @last or @last-failed')
    .option('--read-only', 'the dashboard without the keys that change something')
    .addHelpText('after', examples('watch'))
    .action(async (references: string[], { readOnly = false }: { readOnly?: boolean }, command: Command) => {
      if (references.length === 0) {
        const { watchAll } = await import('../observe/watch-all.ts')
        return watchAll(cli, { format: formatOf(command), isReadOnly: readOnly, command })
      }
      const { waitForTasks } = await import('./wait-run.ts')
      const ids = await idsOf(cli, references)
      const format = formatOf(command)
      await waitForTasks(cli, ids, { timeoutMs: null, format, progress: 'stdout', asList: ids.length > 1 })
    })
}

function goalOption(): Option {
  const option = new Option('--for <what>', 'what to wait for')
  option.argChoices = ['done', 'running', 'green', ...STEPS.map(step => `step=${step}`)]
  return option.default(isSettled, 'done').argParser(goalOf)
}

function goalOf(text: string): IsThere {
  if (text === 'done') return isSettled
  if (text === 'green') return isPullOver
  if (text === 'running') return ({ step }) => step === 'running'
  const step = text.startsWith('step=') ? text.slice('step='.length) : undefined
  if (STEPS.some(known => known === step)) return task => task.step === step
  throw new InvalidArgumentError(`it must be done, running, green, or step= with one of: ${STEPS.join(', ')}.`)
}
