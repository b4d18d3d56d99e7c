/** What every command is handed: how to talk to the daemon, to the terminal and to the script that may read it. */
import type { Command } from 'commander'
import { type Client, controlClient } from '../src/client.ts'
import { parseDuration } from '../src/duration.ts'
import { TdfError } from '../src/errors.ts'
import { findPaths, type Paths } from '../src/paths.ts'
import type { Format } from './output.ts'

export interface Cli {
  /** What stands behind `--`: a program and its arguments. */
  command: readonly string[]
  /** The folder of the built program. */
  programDir: string
  env: NodeJS.ProcessEnv
  cwd: string
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  paths(): Paths
  client(): Client
  /** Set by the command that runs; 0 unless it says otherwise. */
  exitCode: number
}

/** The options that every command takes, before or behind its name. */
export interface GlobalOptions {
  output?: Format
  json?: boolean
  quiet?: boolean
  /** False for `--no-input`. */
  input?: boolean
  yes?: boolean
}

export function createCli(process: NodeJS.Process, programDir: string, command: readonly string[]): Cli {
  const paths = once(() => findPaths())
  return {
    command,
    programDir,
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    paths,
    client: once(() => controlClient(process.env.TDF_HOST?.replace(/^unix:\/\//, '') || paths().socket)),
    exitCode: 0,
  }
}

export function formatOf(command: Command): Format {
  const { output, json, quiet } = command.optsWithGlobals<GlobalOptions>()
  if (json) return 'json'
  return quiet ? 'id' : (output ?? 'table')
}

/** Data goes to stdout, one write for each piece. */
export function print(cli: Cli, text: string): void {
  cli.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

/** Talk goes to stderr. */
export function say(cli: Cli, text: string): void {
  cli.stderr.write(`${text}\n`)
}

export function usage(message: string, hint: string): TdfError {
  return new TdfError('USAGE', message, { hint })
}

/** Whole ms. Throws USAGE. */
export function durationOf(text: string, option: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw usage(`${option}: "${text}" is no duration; write "90s", "45m" or "2h"`, 'tdf --help')
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
