/** argv → command → exit code. The only place that prints an error or ends the process. */
import process from 'node:process'
import { CommanderError } from 'commander'
import { asTdfError, ERRORS, type TdfError } from '../src/errors.ts'
import { type Cli, createCli } from './cli.ts'
import { buildProgram } from './program.ts'

const cli = createCli(process)
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', error => {
    // Whoever read us has enough: `tdf ls | head` is no failure.
    if ('code' in error && error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

try {
  await buildProgram(cli).parseAsync(process.argv)
  process.exitCode = cli.exitCode
} catch (thrown) {
  process.exitCode = report(cli, thrown, process.argv)
}

function report(cli: Cli, thrown: unknown, argv: readonly string[]): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 || thrown.code === 'commander.help' ? 0 : 2
  const error = asTdfError(thrown)
  cli.stderr.write(isJson(argv) ? asJson(error) : asText(error))
  if (error.code === 'BUG' && cli.env.TDF_DEBUG) cli.stderr.write(`${error.cause instanceof Error ? error.cause.stack : error.stack}\n`)
  return ERRORS[error.code].exit
}

function isJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  const own = end < 0 ? argv : argv.slice(0, end)
  return own.some((word, index) => word === '--json' || word === '-ojson' || word === '--output=json' || (word === 'json' && ['-o', '--output'].includes(own[index - 1] ?? '')))
}

function asJson({ code, message, hint }: TdfError): string {
  return `${JSON.stringify({ error: { code, message, hint } })}\n`
}

function asText({ code, message, hint }: TdfError): string {
  return `error: ${message}\n  hint: ${hint}\n  code: ${code}\n`
}
