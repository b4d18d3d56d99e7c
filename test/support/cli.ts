/** The command line in this process: the real tree and the real daemon, without the price of a process each time. */
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { createCli } from '../../commands/cli/cli.ts'
import { buildProgram, overview } from '../../commands/program.ts'
import { runCli } from '../../commands/run.ts'
import type { Home, Ran, RunOptions } from './daemon/home.ts'

const dist = path.join(import.meta.dirname, '..', '..', 'dist')

export interface Terminal extends RunOptions {
  /** Columns of a terminal on stdout and stderr; a pipe when undefined. */
  columns?: number
  /** A person sits at the terminal, whose answers are the input. */
  isPerson?: boolean
}

export function cli(home: Pick<Home, 'env'>, ...args: string[]): Promise<Ran> {
  return cliWith(home, {}, ...args)
}

/** What `tdf ARGS` prints and exits with. stdin is a terminal only for a person. */
export async function cliWith(home: Pick<Home, 'env'>, terminal: Terminal, ...args: string[]): Promise<Ran> {
  const { columns, input = '', cwd = process.cwd(), env = {}, isPerson = false } = terminal
  const [out, err] = [collector(columns), collector(columns)]
  const stdin = new PassThrough()
  stdin.end(input)
  if (isPerson) Object.assign(stdin, { isTTY: true })
  const around = { env: { ...home.env, ...env }, cwd: () => cwd, stdin, stdout: out.stream, stderr: err.stream }
  // A stream with isTTY and columns is all that commands look at.
  const code = await runCli(createCli(around as unknown as NodeJS.Process, dist), args, buildProgram, overview)
  return { code, out: out.text(), err: err.text() }
}

/** Both streams as one, as on a screen: its lines in the order in which they were written. */
export async function cliTogether(home: Pick<Home, 'env'>, ...args: string[]): Promise<string[]> {
  const { stream, text } = collector(undefined)
  const stdin = new PassThrough()
  stdin.end()
  const around = { env: home.env, cwd: () => process.cwd(), stdin, stdout: stream, stderr: stream }
  await runCli(createCli(around as unknown as NodeJS.Process, dist), args, buildProgram, overview)
  return text().trimEnd().split('\n')
}

function collector(columns: number | undefined) {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  if (columns !== undefined) Object.assign(stream, { isTTY: true, columns })
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') }
}
