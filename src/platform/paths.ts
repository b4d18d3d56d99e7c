/**
 * Where this installation lives, and whether a place is one that may be believed. On the CLI's fast path: imports nothing
 * but Node's own modules and the error table; only what is about trust touches files.
 */
import { lstatSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
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
  for (const name of ['TDF_HOME', 'TDF_CONFIG']) refuseTilde(name, env[name], from.homeDir)
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

/** A shell expands `~` only where it is not quoted; as it stands it would be a folder of that name right here. */
export function refuseTilde(name: string, value: string | undefined, homeDir: string): void {
  if (!value?.startsWith('~')) return
  const [, rest] = /^~(?:\/(.*))?$/.exec(value) ?? []
  const meant = value === '~' ? homeDir : rest === undefined ? join(homeDir, '.tdf') : join(homeDir, rest)
  const message = `${name} is "${value}": the shell did not expand the ~, as in quotes`
  throw new TdfError('CONFIG_INVALID', message, {
    hint: name.startsWith('--') ? `tdf ${name} ${meant} version` : `export ${name}=${meant}`,
  })
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

// --- Trust: a place is used when nobody but its user and root could have made or changed it, as ssh and git have it ---

interface Believer {
  uid: number
  gid: number
  /** Who called sudo(8); to root theirs is as good as its own. */
  sudoUid: number | undefined
}

/** Null where there are no user ids. */
function believer(env: Surroundings['env']): Believer | null {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()]
  if (uid === undefined || gid === undefined) return null
  return { uid, gid, sudoUid: /^\d{1,10}$/.test(env.SUDO_UID ?? '') ? Number(env.SUDO_UID) : undefined }
}

/** What the CLI and the daemon read before anything else: none of it may be another user's. Throws PLACE_UNTRUSTED. */
export function refuseForeignPlaces(paths: Paths, env: Surroundings['env'], who = believer(env)): void {
  if (who === null) return
  const { kind, home, configFile, stateDir, runDir } = paths
  // Only root makes entries where the folders of the machine are, and the service's user owns them.
  const places = kind === 'system' ? [] : [home, stateDir, runDir]
  for (const place of [...places, configFile]) refuseForeign(place, who)
}

/** Throws PLACE_UNTRUSTED when somebody else listens there, or may put a listener there. What is not there is no harm. */
export function refuseForeignSocket(socket: string, env: Surroundings['env'], who = believer(env)): void {
  // A service's own folder in root's, such as /run/tdf: who may enter it is for its mode to say.
  if (who === null || /^\/(?:var\/)?run$/.test(dirname(dirname(socket)))) return
  refuseForeign(socket, who)
}

/** Links that the kernel follows at most (path_resolution(7)). */
const LINKS_MAX = 40

/** Looks at every folder and every link on the way to it. Throws PLACE_UNTRUSTED; what is not there is no harm. */
export function refuseForeign(place: string, who = believer(process.env)): void {
  if (who === null) return
  const rest = place.split('/').filter(Boolean)
  let at = '/'
  let isOpen = false
  let links = 0
  for (let name = rest.shift(); name !== undefined && links <= LINKS_MAX; name = rest.shift()) {
    at = name === '..' ? dirname(at) : join(at, name)
    const found = lookAt(at)
    if (!found) return
    const problem = problemOf(found, who, isOpen)
    if (problem !== null) {
      const message = `${place} is not used${at === place ? '' : `, since ${at} leads there`}: ${problem.says}`
      const quoted = `'${at.replaceAll("'", "'\\''")}'`
      throw new TdfError('PLACE_UNTRUSTED', message, { hint: [problem.mend, quoted].join(' ') })
    }
    isOpen = isOpenToAll(found)
    if (!found.isSymbolicLink()) continue
    links += 1
    const target = readlinkSync(at)
    rest.unshift(...target.split('/').filter(Boolean))
    at = isAbsolute(target) ? '/' : dirname(at)
  }
}

const [STICKY, BY_ALL, BY_GROUP] = [0o1000, 0o002, 0o020]

/** As /tmp: everybody makes entries, and each may change its own alone. */
const isOpenToAll = (found: Stats) => found.isDirectory() && (found.mode & (BY_ALL | STICKY)) === (BY_ALL | STICKY)

/** Undefined for what is not there, and for what this user may not look at: whoever opens it then says so. */
function lookAt(place: string): Stats | undefined {
  try {
    return lstatSync(place, { throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined
    throw error
  }
}

/** `isOpen`: it lies in a folder where anybody could have made it. */
function problemOf(found: Stats, who: Believer, isOpen: boolean): { says: string; mend: string } | null {
  const { uid, gid, mode } = found
  const isOurs = uid === 0 || uid === who.uid || uid === who.sudoUid
  // Root may be asked to work in the home of a user, but not with what any user could have put in its way.
  if (!isOurs && (who.uid !== 0 || isOpen)) {
    return {
      says: `it is of another user (uid ${uid}), and only what is yours or root's is believed`,
      mend: 'ls -ld',
    }
  }
  // Of a link the mode says nothing, of a socket who may connect.
  if (found.isSymbolicLink() || found.isSocket() || isOpenToAll(found)) return null
  if ((mode & BY_ALL) !== 0) return { says: 'every user may change it', mend: 'chmod o-w' }
  if ((mode & BY_GROUP) === 0 || isPrivateGroup(gid, uid)) return null
  return { says: `its group (gid ${gid}) may change it`, mend: 'chmod g-w' }
}

/** Whether it is the user's own group, without another member: many systems give each user one, and a umask of 002. */
function isPrivateGroup(gid: number, uid: number): boolean {
  const users = tableOf('/etc/passwd').map(([name = '', , id, group]) => ({
    name,
    uid: Number(id),
    gid: Number(group),
  }))
  const own = users.find(user => user.uid === uid)?.gid ?? uid
  // Root's folders may be of a group such as staff, in which nobody is.
  if (gid !== 0 && gid !== own && uid !== 0) return false
  const groups = tableOf('/etc/group').filter(([, , id]) => Number(id) === gid)
  const named = groups.flatMap(([, , , members = '']) => members.split(',').filter(Boolean))
  const others = users.filter(user => user.uid !== uid && user.uid !== 0)
  return !others.some(user => user.gid === gid || named.includes(user.name))
}

/** passwd(5) or group(5); empty where there is none. */
function tableOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.split(':'))
  } catch {
    return []
  }
}
