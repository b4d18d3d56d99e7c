/** Takes the process over: its words, its streams. The same for every way in. */
import process from 'node:process'
import { type Cli, createCli } from './cli.ts'

/** `programDir` is where the built program lies. */
export function begin(programDir: string): { cli: Cli; words: readonly string[] } {
  const dashes = process.argv.indexOf('--')
  const words = dashes < 0 ? process.argv.slice(2) : process.argv.slice(2, dashes)
  const behind = dashes < 0 ? [] : process.argv.slice(dashes + 1)
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', error => {
      // Whoever read us has enough: `tdf ls | head` is no failure.
      if ('code' in error && error.code === 'EPIPE') process.exit(0)
      throw error
    })
  }
  return { cli: createCli(process, programDir, behind), words }
}
