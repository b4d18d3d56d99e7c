/**
 * Questions to a person: confirmations, hidden values, the prompt of a task. Without a terminal nothing is confirmed.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline, { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { TdfError } from '../../src/core/errors.ts'
import { runForeground } from '../../src/platform/process.ts'
import { quoted, readStdin } from './arguments.ts'
import { type Cli, type GlobalOptions, usage } from './cli.ts'
import { plainEnv } from './git.ts'

/** Yes or no. Throws USAGE when there is no terminal to ask on and no `--yes`. */
export async function confirmed(cli: Cli, command: Command, question: string): Promise<boolean> {
  if (command.optsWithGlobals<GlobalOptions>().yes) return true
  refuseUnasked(cli, command, question, ['--yes'])
  return /^y(es)?$/i.test((await ask(cli, `${question} [y/N] `)) ?? '')
}

/** For what one most likely wants: Enter is a yes, the end of the input is none. */
export async function agreed(asking: Pick<Asking, 'ask'>, question: string): Promise<boolean> {
  const answer = await asking.ask(`${question} [Y/n] `)
  return answer !== null && /^(y(es)?)?$/i.test(answer)
}

/** For a single question. */
export const asker = (cli: Cli): Pick<Asking, 'ask'> => ({ ask: question => ask(cli, question) })

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
  refuseUnasked(cli, command, question, ['--confirm', name])
  return (await ask(cli, `${question} Type its name: `)) === name
}

/** Whether a person sits at the terminal and may be asked. */
export function canAsk(cli: Cli, command: Command): boolean {
  const { input } = command.optsWithGlobals<GlobalOptions>()
  return input !== false && cli.stdin.isTTY && cli.stderr.isTTY
}

function refuseUnasked(cli: Cli, command: Command, question: string, options: string[]): void {
  if (canAsk(cli, command)) return
  throw usage(`${question} There is no terminal to ask on.`, withOptions(cli, options))
}

/** The command line once more, with these options. */
export function withOptions(cli: Cli, options: readonly string[]): string {
  const dashes = cli.args.indexOf('--')
  const args = cli.args.toSpliced(dashes < 0 ? cli.args.length : dashes, 0, ...options)
  return ['tdf', ...args.map(quoted)].join(' ')
}

/** Several questions in a row: what is pasted at once answers them one after the other. */
export interface Asking {
  /** Null when the input ends, which is no answer; throws INTERRUPTED on Ctrl-C. */
  ask(question: string): Promise<string | null>
  end(): void
}

export function openAsking(cli: Cli): Asking {
  const reader = createInterface({ input: cli.stdin, output: cli.stderr })
  const typed: string[] = []
  let state: 'open' | 'ended' | 'interrupted' = cli.stdin.readableEnded ? 'ended' : 'open'
  let wake = () => {}
  reader.on('line', line => {
    typed.push(line)
    wake()
  })
  reader.on('SIGINT', () => {
    state = 'interrupted'
    reader.close()
  })
  reader.on('close', () => {
    if (state === 'open') state = 'ended'
    wake()
  })
  return {
    async ask(question) {
      reader.setPrompt(question)
      if (state === 'open') reader.prompt()
      else cli.stderr.write(question)
      while (typed.length === 0 && state === 'open') {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      const answer = typed.shift()
      if (answer === undefined) cli.stderr.write('\n')
      if (state === 'interrupted') throw new TdfError('INTERRUPTED', 'interrupted; nothing was done')
      return answer?.trim() ?? null
    },
    end: () => reader.close(),
  }
}

async function ask(cli: Cli, question: string): Promise<string | null> {
  const asking = openAsking(cli)
  try {
    return await asking.ask(question)
  } finally {
    asking.end()
  }
}

/** Asks without showing what is typed. Throws INTERRUPTED at Ctrl-C and at the end of the input. */
export async function hiddenAnswer(cli: Cli, question: string): Promise<string> {
  cli.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  // With `terminal` it takes the echo from the terminal and does the editing itself, into nowhere.
  const asking = readline.createInterface({ input: cli.stdin, output: nowhere, terminal: true, historySize: 0 })
  try {
    return await new Promise<string>((resolve, reject) => {
      const giveUp = () => reject(new TdfError('INTERRUPTED', 'nothing was stored'))
      asking.once('line', resolve).once('SIGINT', giveUp).once('close', giveUp)
    })
  } finally {
    asking.close()
    cli.stderr.write('\n')
  }
}

const PROMPT_BYTES_MAX = 512 * 1024
const WRITE_ONE = 'tdf submit "what to do"'
/** Below this line nothing counts, so that a prompt may begin lines with #. */
const SCISSORS = '# ------------------------ >8 ------------------------'
const TEMPLATE = `\n${SCISSORS}\n# Write above what the agent should do. Save and leave to submit it; leave it empty to give up.\n`

/**
 * The prompt: from the argument, from stdin, or from an editor when a person is at the terminal and gave none. Throws USAGE
 * when there is none and no terminal, EMPTY_PROMPT when the editor left it empty.
 */
export async function promptOf(cli: Cli, argument: string | undefined, hasCommand: boolean, command: Command) {
  if (argument !== undefined && argument !== '-') return argument
  if (hasCommand && argument === undefined) return ''
  const { input } = command.optsWithGlobals<GlobalOptions>()
  const isPerson = cli.stdin.isTTY && cli.stdout.isTTY && input !== false
  if (argument === undefined && isPerson) return editedPrompt(cli)
  if (argument === undefined && cli.stdin.isTTY) throw usage('there is no prompt', WRITE_ONE)
  return readStdin(cli, 'a prompt', PROMPT_BYTES_MAX, WRITE_ONE)
}

/** `text` is there already. Throws as `promptOf`. */
export async function editedPrompt(cli: Cli, text = ''): Promise<string> {
  const editor = cli.env.VISUAL || cli.env.EDITOR
  if (!editor)
    throw usage('there is no prompt, and neither VISUAL nor EDITOR names an editor to write it in', WRITE_ONE)
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-prompt-'))
  try {
    const file = path.join(folder, 'prompt.md')
    await writeFile(file, text + TEMPLATE, { mode: 0o600 })
    // The variable may hold options, so a shell takes it apart, as git and others do.
    const exit = await runForeground('sh', ['-c', `${editor} "$1"`, 'sh', file], { cwd: cli.cwd, env: plainEnv(cli) })
    if (exit !== 0) throw usage(`the editor (${editor}) ended with exit code ${exit}; nothing was submitted`, WRITE_ONE)
    const written = (await readFile(file, 'utf8')).split(SCISSORS)[0]?.trim() ?? ''
    if (written === '') throw new TdfError('EMPTY_PROMPT', 'the prompt was left empty; nothing was submitted')
    return written
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
