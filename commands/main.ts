/** argv → command → exit code. The only place that prints an error or ends the process. */
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { CommanderError } from 'commander'
import { asTdfError, ERRORS, type TdfError } from '../src/errors.ts'
import { type Cli, createCli } from './cli.ts'
import { buildProgram } from './program.ts'

const dashes = process.argv.indexOf('--')
const words = dashes < 0 ? process.argv : process.argv.slice(0, dashes)
const behind = dashes < 0 ? [] : process.argv.slice(dashes + 1)
const cli = createCli(process, path.dirname(fileURLToPath(import.meta.url)), behind)
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', error => {
    // Whoever read us has enough: `tdf ls | head` is no failure.
    if ('code' in error && error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

try {
  await buildProgram(cli).parseAsync(words)
  process.exitCode = cli.exitCode
} catch (thrown) {
  process.exitCode = report(cli, thrown, words)
}

function report(cli: Cli, thrown: unknown, argv: readonly string[]): number {
  // Help and version have been printed; anything else of the parser is thrown as one of ours.
  if (thrown instanceof CommanderError) return 0
  const error = asTdfError(thrown)
  cli.stderr.write(isJson(argv) ? asJson(error) : asText(error))
  if (error.code === 'BUG' && cli.env.TDF_DEBUG)
    cli.stderr.write(`${error.cause instanceof Error ? error.cause.stack : error.stack}\n`)
  return ERRORS[error.code].exit
}

function isJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === '--json' ||
      word === '-ojson' ||
      word === '--output=json' ||
      (word === 'json' && ['-o', '--output'].includes(argv[index - 1] ?? '')),
  )
}

function asJson({ code, message, hint }: TdfError): string {
  return `${JSON.stringify({ error: { code, message, hint } })}\n`
}

function asText({ code, message, hint }: TdfError): string {
  return `error: ${message}\n  hint: ${hint}\n  code: ${code}\n`
}
