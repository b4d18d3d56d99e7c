/** Arguments → command → exit code, and the only place that prints an error. Tests call it as `bin/tdf` does. */
import { type Command, CommanderError } from 'commander'
import { asTdfError, ERRORS, type TdfError } from '../src/errors.ts'
import { sanitize } from '../src/sanitize.ts'
import type { Cli } from './cli.ts'
import { type Paint, paintOf } from './colour.ts'
import { errorText } from './error-text.ts'

/** Never throws: what went wrong is printed, and the exit code tells it. `build` makes the tree that knows the command. */
export async function runCli(cli: Cli, argv: readonly string[], build: (cli: Cli) => Command): Promise<number> {
  cli.words = argv
  try {
    if (argv.length === 0) await greet(cli, build(cli))
    else await build(cli).parseAsync(argv, { from: 'user' })
    return cli.exitCode
  } catch (thrown) {
    // Help and version have been printed; anything else of the parser is thrown as one of ours.
    return thrown instanceof CommanderError ? 0 : report(cli, asTdfError(thrown), argv)
  }
}

/** `tdf` alone: what there is, and how the daemon is. */
async function greet(cli: Cli, program: Command): Promise<void> {
  const { daemonLine } = await import('./daemon-line.ts')
  program.outputHelp()
  cli.stdout.write(`\n${await daemonLine(cli)}\n`)
}

function report(cli: Cli, error: TdfError, argv: readonly string[]): number {
  cli.stderr.write(errorText(error, wantsJson(argv), paintFor(cli)))
  if (error.code === 'BUG' && (cli.debug || cli.env.TDF_DEBUG))
    cli.stderr.write(`${sanitize(String(error.cause instanceof Error ? error.cause.stack : error.stack))}\n`)
  return ERRORS[error.code].exit
}

/** A wish that cannot be understood is what the error is about: then there is no colour. */
function paintFor(cli: Cli): Paint | undefined {
  try {
    return paintOf(cli, cli.stderr)
  } catch {
    return undefined
  }
}

/** Looked up in the words themselves, since the command line may be what is wrong. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === '--json' ||
      /^(?:-o|--output=)(?:nd)?json$/.test(word) ||
      (/^(?:nd)?json$/.test(word) && ['-o', '--output'].includes(argv[index - 1] ?? '')),
  )
}
