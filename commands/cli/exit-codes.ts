/** The exit codes, which never change: for `tdf exit-codes`, `tdf help exit-codes` and the manual. */
import { Command } from 'commander'
import { type Cli, formatOf, print, printJson } from './cli.ts'
import { examples } from './examples.ts'

export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done; when waiting: the task completed'],
  [1, 'refused or failed'],
  [2, 'wrong usage, or no terminal to confirm on'],
  [3, 'not found, or several fit'],
  [4, 'not permitted'],
  [5, 'wrong state, or a conflict'],
  [10, 'the task failed'],
  [11, 'the task was cancelled'],
  [12, 'the task ran out of time'],
  [69, 'the daemon cannot be reached'],
  [70, 'a fault of tdf itself'],
  [74, 'stdout cannot be written, such as on a full disk; what was asked for is done'],
  [75, 'not now: it runs already, the queue is full, or the task needs input'],
  [76, 'of a daemon: another one serves; it stands by when it is started again'],
  [78, 'the configuration is not usable'],
  [124, 'the waiting is over, the task goes on'],
  [130, 'interrupted; the task goes on'],
]

const text = () => EXIT_CODES.map(([code, meaning]) => `${String(code).padStart(5)}  ${meaning}\n`).join('')

/** Not in the list of commands: `tdf help exit-codes` is how one asks. */
export function exitCodesCommand(cli: Cli): Command {
  return new Command('exit-codes')
    .description('what the exit codes of commands mean')
    .addHelpText('after', `\nExit codes:\n${text()}${examples('exit-codes')}`)
    .action((_options, command: Command) => {
      const format = formatOf(command)
      if (format !== 'json' && format !== 'ndjson') return print(cli, text())
      printJson(
        cli,
        EXIT_CODES.map(([code, meaning]) => ({ code, meaning })),
      )
    })
}
