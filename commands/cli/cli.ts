/** What every command is handed: the daemon, the terminal, the output forms, and how errors of usage are made. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import { type Client, controlClient, type Whereabouts } from '../../src/clients/control.ts'
import { parseDuration } from '../../src/core/duration.ts'
import { TdfError } from '../../src/core/errors.ts'
import {
  findPaths,
  type Paths,
  refuseForeignPlaces,
  refuseForeignSocket,
  refuseTilde,
} from '../../src/platform/paths.ts'
import { VERSION } from '../../src/platform/version.ts'
import { realWorld } from '../../src/platform/world.ts'
import { jsonText, sanitize } from '../../src/text/sanitize.ts'
import { type ColourWhen, type Paint, paintOf } from './colour.ts'
import { isServiceHere, isShared, MACHINE_UNIT } from './machine-service.ts'

export interface Cli {
  /** The command line without the agent's command, for a hint that repeats it. */
  args: readonly string[]
  /** What follows `--` in `submit`: the agent's command and its arguments. */
  command: readonly string[]
  /** The folder of the built program. */
  programDir: string
  env: NodeJS.ProcessEnv
  cwd: string
  /** Ids of the tasks that this command handed to the daemon: named when they cannot be printed. */
  submitted: string[]
  /** Takes away what the command made for itself alone, when it has to end where it stands since nobody can read it. */
  leave: () => Promise<void>
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  paths(): Paths
  client(): Client
  /** Set for commands that may offer to start the daemon when there is none; whether it was started. */
  startDaemon: (() => Promise<boolean>) | undefined
  /** As `--host` and `--color` have them; undefined when they were not given. */
  host: string | undefined
  colour: ColourWhen | undefined
  /** `--debug`, or `TDF_DEBUG=api`: each request to the daemon is printed on stderr. */
  debug: boolean
  /** Set by the command that runs; 0 unless it says otherwise. */
  exitCode: number
}

export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'csv', 'id'] as const
export type Format = (typeof FORMATS)[number]

/** What a list looks like. */
export interface Shape {
  format: Format
  /** Titles of the columns in this order; undefined for those of the format. */
  columns: readonly string[] | undefined
  header: boolean
  /** Columns of the terminal; undefined in a pipe, where nothing is shortened. */
  width: number | undefined
  /** Undefined where there is no colour. */
  paint?: Paint | undefined
}

/** The options that every command takes, before or behind its name. */
export interface GlobalOptions {
  output?: Format
  json?: boolean
  quiet?: boolean
  columns?: string[]
  /** False for `--no-header`. */
  header?: boolean
  /** False for `--no-input`. */
  input?: boolean
  yes?: boolean
}

type Surroundings = Pick<NodeJS.Process, 'env' | 'cwd' | 'stdin' | 'stdout' | 'stderr'>

export function createCli(around: Surroundings, programDir: string): Cli {
  const { env, stdout, stderr } = around
  const paths = once(() => {
    const found = findPaths({ env, uid: process.getuid?.(), homeDir: env.HOME || homedir() })
    refuseForeignPlaces(found, env)
    return found
  })
  const onOtherVersion = (version: string) => {
    if (stderr.isTTY) stderr.write(`note: the daemon is ${sanitize(version)}, this is ${VERSION}; restart the daemon\n`)
  }
  const client = once(() =>
    controlClient({
      ...socketOf(cli),
      onOtherVersion,
      onAbsent: async () => (await cli.startDaemon?.()) ?? false,
      ...(cli.debug ? { onRequest: logRequests(cli) } : {}),
    }),
  )
  const cli: Cli = {
    args: [],
    command: [],
    programDir,
    env,
    stdout,
    stderr,
    paths,
    client,
    startDaemon: undefined,
    host: undefined,
    colour: undefined,
    debug: env.TDF_DEBUG === 'api',
    // Opened on first use: Node loads its file streams for it, and most commands read nothing.
    get stdin() {
      return around.stdin
    },
    cwd: currentFolder(around),
    submitted: [],
    leave: async () => {},
    exitCode: 0,
  }
  return cli
}

/** Of a folder that was deleted the name that the shell knows; nothing is found there, and commands say so themselves. */
function currentFolder({ cwd, env }: Surroundings): string {
  try {
    return cwd()
  } catch {
    // Libraries ask for it as well, and must not fail.
    process.chdir('/')
    return env.PWD?.startsWith('/') ? env.PWD : '/deleted'
  }
}

/** A line for each request, with what came of it. The prompt and other contents are not in it. */
function logRequests(cli: Cli): (method: string, path: string) => (outcome: string) => void {
  const { clock } = realWorld()
  return (method, path) => {
    const startedAt = clock.mono()
    return outcome => say(cli, `debug: ${method} ${path} → ${outcome} (${Math.round(clock.mono() - startedAt)} ms)`)
  }
}

/** The socket of the daemon and where that comes from: every failure to reach it names both. */
function socketOf(cli: Cli): Whereabouts {
  const { host, env, paths, cwd } = cli
  const own = (socket: string, from: string) => {
    refuseForeignSocket(path.resolve(cwd, socket), env)
    return { socket, origin: from }
  }
  const origin = host ? '--host' : 'TDF_HOST'
  const named = (host || env.TDF_HOST)?.replace(/^unix:(\/\/)?/, '')
  if (named && /^[a-z][a-z0-9+.-]*:\/\//i.test(named)) {
    const message = `${origin}: the daemon listens at a unix socket alone, and "${named}" names none`
    throw usage(message, 'tdf --host unix:///run/tdf/tdf.sock version')
  }
  refuseTilde(origin, named, env.HOME || homedir())
  if (named) return own(named, origin)
  const { socket, systemSocket } = paths()
  // Its folder is there as long as it runs; what is in it only its group can see.
  if (systemSocket !== null && !existsSync(socket)) {
    const isStarting = isServiceHere()
    const service = isStarting ? { service: MACHINE_UNIT, onWait: () => sayStarting(cli) } : {}
    if (isStarting || isShared(path.dirname(systemSocket))) {
      return { ...own(systemSocket, "the machine's own daemon"), ...service }
    }
  }
  return own(socket, env.TDF_HOME ? 'TDF_HOME' : 'the default')
}

function sayStarting(cli: Cli): void {
  if (cli.stderr.isTTY) say(cli, 'waiting for the service of this machine to start')
}

const LOOK_MS = 1_000

/** Lets the offer to start a daemon come before anything is drawn anew; what else is wrong with it the next call says. */
export async function meetDaemon(cli: Cli): Promise<void> {
  await cli
    .client()
    .call({ path: '/status', timeoutMs: LOOK_MS })
    .catch(() => {})
}

export function formatOf(command: Command): Format {
  const { output, json, quiet } = command.optsWithGlobals<GlobalOptions>()
  if (json) return 'json'
  return quiet ? 'id' : (output ?? 'table')
}

export function shapeOf(cli: Cli, command: Command): Shape {
  const { columns, header = true } = command.optsWithGlobals<GlobalOptions>()
  // A terminal that tells no size tells 0.
  const width = (cli.stdout.isTTY && cli.stdout.columns) || undefined
  return { format: formatOf(command), columns, header, width, paint: paintOf(cli, cli.stdout) }
}

/** Text as data goes to stdout, one write for each piece. Whatever it holds, a terminal is safe from it. */
export function print(cli: Cli, text: string, paint: (safe: string) => string = safe => safe): void {
  const safe = paint(sanitize(text))
  cli.stdout.write(safe.endsWith('\n') ? safe : `${safe}\n`)
}

/** A value as one line of JSON. */
export function printJson(cli: Cli, value: unknown, indent?: number): void {
  cli.stdout.write(`${jsonText(value, indent)}\n`)
}

/** One thing in the form that was asked for. */
export function printOne<T>(cli: Cli, format: Format, value: T, forms: Forms<T>): void {
  if (format === 'json' || format === 'ndjson') return printJson(cli, value)
  if (format === 'id') print(cli, forms.id)
  else print(cli, forms.text(value), forms.paint)
}

interface Forms<T> {
  id: string
  text(value: T): string
  /** Puts colour on the text. */
  paint?(safe: string): string
}

/** A message for people, on stderr. */
export function say(cli: Cli, text: string): void {
  cli.stderr.write(`${sanitize(text)}\n`)
}

export function usage(message: string, hint: string): TdfError {
  return new TdfError('USAGE', message, { hint })
}

/** Whole ms. Throws USAGE. */
export function durationOf(text: string, option: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw usage(`${option}: "${text}" is not a valid duration; write "90s", "45m" or "2h"`, 'tdf --help')
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
