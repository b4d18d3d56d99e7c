/** The program: hands the process to `run.ts`. The only place that ends it. */
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../src/version.ts'
import { createCli } from './cli.ts'

const dashes = process.argv.indexOf('--')
const words = dashes < 0 ? process.argv.slice(2) : process.argv.slice(2, dashes)
const behind = dashes < 0 ? [] : process.argv.slice(dashes + 1)
const cli = createCli(process, path.dirname(fileURLToPath(import.meta.url)), behind)
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', error => {
    // Whoever read us has enough: `tdf ls | head` is no failure.
    if ('code' in error && error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

// Asked for by scripts at every turn: answered before the command tree is loaded.
if (words.length === 1 && words[0] === '--version') process.stdout.write(`${VERSION}\n`)
else process.exitCode = await (await import('./run.ts')).runCli(cli, words)
