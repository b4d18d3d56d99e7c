/** Arguments → command → exit code, and the only place that prints an error. Tests call it as `bin/tdf` does. */
import process from 'node:process'
import { type Command, CommanderError } from 'commander'
import { asTdfError, ERRORS, shownHint, TdfError } from '../src/core/errors.ts'
import { jsonText, sanitize } from '../src/text/sanitize.ts'
import { type Cli, createCli } from './cli/cli.ts'
import { type Paint, paintOf } from './cli/colour.ts'

/**
 * Never throws: an error is printed and becomes the exit code. `build` makes the command tree, `overview` answers
 * `tdf` alone.
 */
export async function runCli(
  cli: Cli,
  argv: readonly string[],
  build: (cli: Cli) => Command,
  overview: (cli: Cli, program: Command) => Promise<void> = async () => {},
): Promise<number> {
  const program = build(cli)
  const { args, command } = splitAgentCommand(program, argv)
  cli.args = args
  cli.command = command
  try {
    if (argv.length === 0) await overview(cli, program)
    else await program.parseAsync(args, { from: 'user' })
    return cli.exitCode
  } catch (thrown) {
    // Help and version have been printed; anything else of the parser is thrown as one of ours.
    return thrown instanceof CommanderError ? 0 : report(cli, asTdfError(thrown), args)
  }
}

/** `--` ends the options of every command; only in `submit` does it begin the agent's command. */
export function splitAgentCommand(
  program: Command,
  argv: readonly string[],
): { args: readonly string[]; command: readonly string[] } {
  const dashes = argv.indexOf('--')
  const valued = program.options.filter(({ required }) => required).flatMap(({ short, long }) => [short, long])
  const name = argv
    .slice(0, dashes)
    .find((word, index) => !word.startsWith('-') && !valued.includes(argv[index - 1] ?? ''))
  if (dashes < 0 || name !== 'submit') return { args: argv, command: [] }
  return { args: argv.slice(0, dashes), command: argv.slice(dashes + 1) }
}

function report(cli: Cli, error: TdfError, argv: readonly string[]): number {
  cli.stderr.write(errorText(error, wantsJson(argv), paintFor(cli)))
  if (error.code === 'BUG' && (cli.debug || cli.env.TDF_DEBUG))
    cli.stderr.write(`${sanitize(String(error.cause instanceof Error ? error.cause.stack : error.stack))}\n`)
  return ERRORS[error.code].exit
}

/** No colour when the colour setting itself is what the error is about. */
function paintFor(cli: Cli): Paint | undefined {
  try {
    return paintOf(cli, cli.stderr)
  } catch {
    return undefined
  }
}

/** Looked up in the arguments themselves, since parsing them may be what failed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === '--json' ||
      /^(?:-o|--output=)(?:nd)?json$/.test(word) ||
      (/^(?:nd)?json$/.test(word) && ['-o', '--output'].includes(argv[index - 1] ?? '')),
  )
}

/** Takes the arguments and streams of the process. `programDir` is where the built program lies. */
export function begin(programDir: string): { cli: Cli; args: readonly string[] } {
  const cli = createCli(process, programDir)
  const args = process.argv.slice(2)
  process.stdout.once('error', error => {
    // More of the same is no news while the command is leaving.
    process.stdout.on('error', () => {})
    const code = isClosedPipe(error) ? 0 : report(cli, outputFailure(error, cli.submitted), args)
    void cli.leave().finally(() => process.exit(code))
  })
  process.stderr.on('error', error => {
    // Nothing is left to say it on; the exit code still tells what became of the command.
    if (isClosedPipe(error)) process.exit(0)
  })
  return { cli, args }
}

/** The reader has closed the pipe: `tdf ls | head` is not a failure. */
const isClosedPipe = (error: Error) => 'code' in error && error.code === 'EPIPE'

function outputFailure({ message }: Error, submitted: readonly string[]): TdfError {
  const said = `stdout cannot be written: ${message}`
  const [first] = submitted
  if (first === undefined) return new TdfError('OUTPUT_FAILED', said)
  const what = submitted.length === 1 ? `task ${first} was` : `tasks ${submitted.join(', ')} were`
  return new TdfError('OUTPUT_FAILED', `${said}; ${what} submitted`, { hint: `tdf show ${first}` })
}

/** An error as people and scripts see it on stderr. */
export function errorText(error: TdfError, isJson: boolean, paint: Paint = text => text): string {
  const { code, message } = error
  const hint = shownHint(error)
  if (isJson) return `${jsonText({ error: { code, message, hint } })}\n`
  const [problem, remedy, name] = [paint('error:', 'bad'), paint('hint:', 'busy'), paint('code:', 'quiet')]
  return `${problem} ${sanitize(message)}\n  ${remedy} ${sanitize(hint)}\n  ${name} ${code}\n`
}
