/** A question with yes or no. Where nobody can answer, nothing is done. */
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { type Cli, type GlobalOptions, usage } from './cli.ts'

/** Throws USAGE when there is nobody to ask and no `--yes`. */
export async function confirmed(cli: Cli, command: Command, question: string): Promise<boolean> {
  const { yes, input } = command.optsWithGlobals<GlobalOptions>()
  if (yes) return true
  if (input === false || !cli.stdin.isTTY || !cli.stderr.isTTY) {
    throw usage(`${question} There is nobody to ask.`, `tdf ${command.name()} --yes`)
  }
  const asking = createInterface({ input: cli.stdin, output: cli.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}
