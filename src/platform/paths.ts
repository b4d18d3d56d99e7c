/**
 * Where this installation lives. On the CLI's fast path: imports nothing but node:path, node:os and the error table,
 * and touches no file.
 */

import { homedir } from 'node:os'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { TdfError } from '../core/errors.ts'

export interface Paths {
  /** *home*: all under TDF_HOME. *system*: a service of the machine. *user*: the XDG folders of one person. */
  kind: 'home' | 'system' | 'user'
  /** The folder that stands for the whole in `daemon status`: TDF_HOME, or else the state folder. */
  home: string
  configFile: string
  stateDir: string
  /** Made by the daemon, 0700 (0750 for a system service): a user who may enter it may call the daemon. */
  runDir: string
  socket: string
  /** The machine's own daemon, tried when no daemon answers at `socket`; null when that is not wanted. */
  systemSocket: string | null
}

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>
  /** Undefined where there are no user ids. */
  uid: number | undefined
  homeDir: string
}

/** `sun_path` holds 108 bytes and the last is a NUL (unix(7)). */
const SOCKET_BYTES_MAX = 107

/** `TDF_HOME`, else systemd's folders for a unit of ours, else the machine's (root or `TDF_SYSTEM=1`), else XDG. */
export function findPaths(from: Surroundings = here()): Paths {
  const { env } = from
  const paths = env.TDF_HOME ? homePaths(resolve(env.TDF_HOME)) : isSystem(from) ? systemPaths() : userPaths(from)
  if (paths.kind !== 'home') preferSystemdFolders(paths, env)
  if (env.TDF_CONFIG) paths.configFile = resolve(env.TDF_CONFIG)
  const bytes = Buffer.byteLength(paths.socket)
  if (bytes <= SOCKET_BYTES_MAX) return paths
  throw new TdfError(
    'CONFIG_INVALID',
    `the path of the socket is ${bytes} bytes long and the system takes ${SOCKET_BYTES_MAX}: ${paths.socket} ` +
      `(${env.TDF_HOME ? 'TDF_HOME must be a shorter path' : 'set TDF_HOME to a folder with a shorter path'})`,
    { hint: `export TDF_HOME=${join(from.homeDir, '.tdf')}` },
  )
}

function here(): Surroundings {
  return { env: process.env, uid: process.getuid?.(), homeDir: homedir() }
}

function homePaths(home: string): Paths {
  const [stateDir, runDir] = [join(home, 'state'), join(home, 'run')]
  return {
    kind: 'home',
    home,
    configFile: join(home, 'config.toml'),
    stateDir,
    ...socketIn(runDir),
    systemSocket: null,
  }
}

function systemPaths(): Paths {
  return {
    kind: 'system',
    home: '/var/lib/tdf',
    configFile: '/etc/tdf/config.toml',
    stateDir: '/var/lib/tdf',
    ...socketIn('/run/tdf'),
    systemSocket: null,
  }
}

function userPaths({ env, homeDir }: Surroundings): Paths {
  const stateDir = join(absolute(env.XDG_STATE_HOME) ?? join(homeDir, '.local', 'state'), 'tdf')
  const runtime = absolute(env.XDG_RUNTIME_DIR)
  return {
    kind: 'user',
    home: stateDir,
    configFile: join(absolute(env.XDG_CONFIG_HOME) ?? join(homeDir, '.config'), 'tdf', 'config.toml'),
    stateDir,
    ...socketIn(runtime ? join(runtime, 'tdf') : join(stateDir, 'run')),
    systemSocket: '/run/tdf/tdf.sock',
  }
}

/**
 * systemd.exec(5): `StateDirectory=tdf` and its siblings arrive as absolute paths joined by colons. They are inherited
 * by everything a service starts, so only folders with our name count.
 */
function preferSystemdFolders(paths: Paths, env: Surroundings['env']): void {
  const ours = (name: string) => env[name]?.split(':').find(path => isAbsolute(path) && basename(path) === 'tdf')
  const [state, run, config] = [ours('STATE_DIRECTORY'), ours('RUNTIME_DIRECTORY'), ours('CONFIGURATION_DIRECTORY')]
  if (state) Object.assign(paths, { home: state, stateDir: state })
  if (run) Object.assign(paths, socketIn(run))
  if (config) paths.configFile = join(config, 'config.toml')
}

function isSystem({ env, uid }: Surroundings): boolean {
  return env.TDF_SYSTEM ? env.TDF_SYSTEM !== '0' : uid === 0
}

function socketIn(runDir: string): { runDir: string; socket: string } {
  return { runDir, socket: join(runDir, 'tdf.sock') }
}

/** The XDG base directory specification: a relative path in its variables is to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path && isAbsolute(path) ? path : undefined
}
