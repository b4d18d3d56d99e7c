/** Questions before something that cannot be taken back. Where nobody can answer, nothing is done. */
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { TdfError } from '../src/errors.ts'
import { type Cli, type GlobalOptions, usage } from './cli.ts'
import { quoted } from './words.ts'

/** Yes or no. Throws USAGE when there is nobody to ask and no `--yes`. */
export async function confirmed(cli: Cli, command: Command, question: string): Promise<boolean> {
  if (command.optsWithGlobals<GlobalOptions>().yes) return true
  refuseUnasked(cli, command, question, ['--yes'])
  return /^y(es)?$/i.test(await ask(cli, `${question} [y/N] `))
}

/** For what loses work: the name has to be typed, or given as `--confirm NAME`; `--yes` answers it as well. */
export async function confirmedByName(
  cli: Cli,
  command: Command,
  question: string,
  name: string,
  given: string | undefined,
): Promise<boolean> {
  if (command.optsWithGlobals<GlobalOptions>().yes || given === name) return true
  if (given !== undefined) throw usage(`--confirm names "${given}", not "${name}"`, `tdf node show ${name}`)
  refuseUnasked(cli, command, question, ['--confirm', quoted(name)])
  return (await ask(cli, `${question} Type its name: `)) === name
}

function refuseUnasked(cli: Cli, command: Command, question: string, options: string[]): void {
  const { input } = command.optsWithGlobals<GlobalOptions>()
  if (input !== false && cli.stdin.isTTY && cli.stderr.isTTY) return
  throw usage(`${question} There is nobody to ask.`, ['tdf', ...cli.words.map(quoted), ...options].join(' '))
}

/** An input that ends is no answer; throws INTERRUPTED on Ctrl-C. */
async function ask(cli: Cli, question: string): Promise<string> {
  const asking = createInterface({ input: cli.stdin, output: cli.stderr })
  let isInterrupted = false
  asking.on('SIGINT', () => {
    isInterrupted = true
    asking.close()
  })
  const ended = new Promise<string>(resolve => asking.on('close', () => resolve('')))
  try {
    // A question whose input ends is rejected by some versions of Node, and stays open in others.
    const answer = await Promise.race([asking.question(question), ended]).catch(() => null)
    if (!answer) cli.stderr.write('\n')
    if (isInterrupted) throw new TdfError('INTERRUPTED', 'interrupted; nothing was done')
    return (answer ?? '').trim()
  } finally {
    asking.close()
  }
}
