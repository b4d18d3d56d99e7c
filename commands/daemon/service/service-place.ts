/** Where the units of a service live, what they say here, and the programs that manage them. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { TdfError } from '../../../src/core/errors.ts'
import { NETWORK_VARIABLES, pickVariables, type RunResult, run } from '../../../src/platform/run.ts'
import type { Scope, UnitOptions } from '../../../src/systemd/unit.ts'
import type { Cli } from '../../cli/cli.ts'

export interface ScopeOptions {
  system?: boolean
  user?: boolean
  print?: boolean
}

export interface Place {
  scope: Scope
  /** Where systemd looks for the units. */
  unitDir: string
  options: UnitOptions
}

const SYSTEM_UNITS = '/etc/systemd/system'

export function placeOf(cli: Cli, chosen: ScopeOptions): Place {
  const isRoot = process.getuid?.() === 0
  const scope: Scope = chosen.system || (isRoot && !chosen.user) ? 'system' : 'user'
  const { stateDir } = cli.paths()
  const places = scope === 'user' ? ['TDF_HOME', 'TDF_CONFIG'] : []
  const options: UnitOptions = {
    scope,
    node: process.execPath,
    program: path.join(cli.programDir, 'tdf.js'),
    agentProgram: path.join(cli.programDir, 'tdf-agent.js'),
    agentState: path.join(stateDir, 'agent'),
    agentToken: path.join(stateDir, 'agent-token'),
    environment: {
      ...Object.fromEntries(places.flatMap(name => (cli.env[name] ? [[name, path.resolve(cli.env[name])]] : []))),
      ...(scope === 'user' && cli.env.PATH ? { PATH: cli.env.PATH } : {}),
      ...wayOut(cli),
    },
  }
  return { scope, unitDir: scope === 'system' ? SYSTEM_UNITS : userUnits(cli), options }
}

/** A proxy and certificates. A unit is read by every user of the machine, so a proxy with a password is not written there. */
const wayOut = ({ env }: Cli) =>
  Object.fromEntries(
    Object.entries(pickVariables(env, NETWORK_VARIABLES)).filter(
      ([name]) => !passwordVariables({ env }).includes(name),
    ),
  )

/** Variables of a proxy that hold a password, or a value that systemd cannot take on one line. */
export const passwordVariables = ({ env }: Pick<Cli, 'env'>): string[] =>
  NETWORK_VARIABLES.filter(name => /^(?:[a-z0-9]+:\/\/)?[^/]*@|[\r\n]/i.test(env[name] ?? ''))

function userUnits({ env }: Cli): string {
  const config = env.XDG_CONFIG_HOME?.startsWith('/') ? env.XDG_CONFIG_HOME : path.join(env.HOME ?? '/', '.config')
  return path.join(config, 'systemd', 'user')
}

/** The manager in charge: the machine's or the user's own. */
export function systemctl({ env }: Cli, scope: Scope, ...words: string[]): Promise<RunResult> {
  return tool(env, 'systemctl', ...(scope === 'user' ? ['--user'] : []), ...words)
}

const KEPT = ['PATH', 'HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS']
const TOOL_TIMEOUT_MS = 330_000

export function tool(env: NodeJS.ProcessEnv, file: string, ...words: string[]): Promise<RunResult> {
  const kept = Object.fromEntries(KEPT.flatMap(name => (env[name] === undefined ? [] : [[name, env[name]]])))
  return run(file, words, { cwd: '/', env: kept, timeoutMs: TOOL_TIMEOUT_MS })
}

/** Throws with what the program printed. */
export async function must(what: string, ran: Promise<RunResult>, hint: string): Promise<void> {
  const { exitCode, stderr } = await ran
  if (exitCode === 0) return
  throw new TdfError('SERVICE_FAILED', `${what}: ${stderr.trim() || `exit ${exitCode}`}`, { hint })
}

/** The text of a file; null when there is none. */
export function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
