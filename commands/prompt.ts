/** The prompt: from the argument, from stdin, or from an editor when a person sits there and gave none. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Command } from 'commander'
import { TdfError } from '../src/errors.ts'
import { runForeground } from '../src/process.ts'
import { type Cli, type GlobalOptions, usage } from './cli.ts'
import { plainEnv } from './local-git.ts'
import { readStdin } from './stdin.ts'

const PROMPT_BYTES_MAX = 512 * 1024
const WRITE_ONE = 'tdf submit "what to do"'
/** Below this line nothing counts, so that a prompt may begin lines with #. */
const SCISSORS = '# ------------------------ >8 ------------------------'
const TEMPLATE = `\n${SCISSORS}\n# Write above what the agent shall do. Save and leave to submit it; leave it empty to give up.\n`

/** Throws USAGE when there is none and nobody to ask, EMPTY_PROMPT when the editor brought nothing. */
export async function promptOf(
  cli: Cli,
  words: string | undefined,
  hasCommand: boolean,
  command: Command,
): Promise<string> {
  if (words !== undefined && words !== '-') return words
  if (hasCommand && words === undefined) return ''
  const { input } = command.optsWithGlobals<GlobalOptions>()
  const isPerson = cli.stdin.isTTY && cli.stdout.isTTY && input !== false
  if (words === undefined && isPerson) return editedPrompt(cli)
  if (words === undefined && cli.stdin.isTTY) throw usage('there is no prompt', WRITE_ONE)
  return readStdin(cli, 'a prompt', PROMPT_BYTES_MAX, WRITE_ONE)
}

async function editedPrompt(cli: Cli): Promise<string> {
  const editor = cli.env.VISUAL || cli.env.EDITOR
  if (!editor)
    throw usage('there is no prompt, and neither VISUAL nor EDITOR names an editor to write it in', WRITE_ONE)
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-prompt-'))
  try {
    const file = path.join(folder, 'prompt.md')
    await writeFile(file, TEMPLATE, { mode: 0o600 })
    // The variable may hold options, so a shell takes it apart, as git and others do.
    const exit = await runForeground('sh', ['-c', `${editor} "$1"`, 'sh', file], { cwd: cli.cwd, env: plainEnv(cli) })
    if (exit !== 0) throw usage(`the editor (${editor}) ended with exit code ${exit}; nothing was submitted`, WRITE_ONE)
    const text = (await readFile(file, 'utf8')).split(SCISSORS)[0]?.trim() ?? ''
    if (text === '') throw new TdfError('EMPTY_PROMPT', 'the prompt was left empty; nothing was submitted')
    return text
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
