/** The program: hands the process to `run.ts`. */
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../src/platform/version.ts'
import { begin } from './run.ts'

const { cli, args: words } = begin(path.dirname(fileURLToPath(import.meta.url)))

// Asked for by scripts at every turn: answered before the command tree is loaded.
if (words.length === 1 && words[0] === '--version') process.stdout.write(`${VERSION}\n`)
else {
  const [{ runCli }, { buildProgram, overview }] = await Promise.all([import('./run.ts'), import('./program.ts')])
  process.exitCode = await runCli(cli, words, buildProgram, overview)
}
