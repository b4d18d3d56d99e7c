/** The command line of `tdf-agent`. */
import type { ListenAddress } from '../platform/listen.ts'
import { idPattern } from '../protocol/shapes.ts'

export const HELP = `tdf-agent runs workspaces and agent sessions on this machine for a tdf daemon.

Usage:
  tdf-agent --listen ADDRESS --state DIR --token-file FILE [--name NAME] [--slot-users A,B,…]

Options:
  --listen ADDRESS    127.0.0.1:8787 (default), HOST:0 for a free port, or unix:/path
  --state DIR         where workspaces, sessions and the outbox live
  --token-file FILE   holds the bearer token that the daemon sends
  --name NAME         the node's name; without it the first registration decides
  --socket-mode MODE  of a unix socket, in octal: 600 (default) or 660 for its group
  --slot-users A,B,…  users that run the sessions, one for each workspace; needs the right to become them
  --version           print the version
  --help              print this
`

export type Command =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'run-session'; folder: string }
  | { kind: 'serve'; listen: ListenAddress; state: string; tokenFile: string; name: string | null; slotUsers: string[] }

export class UsageError extends Error {}

const VALUES = new Set(['--listen', '--state', '--token-file', '--name', '--socket-mode', '--slot-users'])
/** sun_path of unix(7), with its closing NUL. */
const UNIX_PATH_BYTES_MAX = 107

export function parseArguments(argv: readonly string[]): Command {
  if (argv[0] === 'run-session') {
    if (argv.length !== 2 || !argv[1]) throw new UsageError('run-session needs one folder')
    return { kind: 'run-session', folder: argv[1] }
  }
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help' }
  if (argv.includes('--version')) return { kind: 'version' }
  const given = parseOptions(argv)
  const name = given.get('--name') ?? null
  if (name !== null && !idPattern.test(name)) {
    throw new UsageError('--name must be 1 to 128 letters, digits, ".", "_" or "-"')
  }
  const slotUsers = given.get('--slot-users')?.split(',') ?? []
  if (!slotUsers.every(user => /^[a-z_][a-z0-9_-]{0,31}$/.test(user))) {
    throw new UsageError('--slot-users must be names of users, separated by commas')
  }
  return {
    kind: 'serve',
    listen: parseListen(given.get('--listen') ?? '127.0.0.1:8787', modeOf(given.get('--socket-mode') ?? '600')),
    state: needed(given, '--state'),
    tokenFile: needed(given, '--token-file'),
    name,
    slotUsers,
  }
}

function parseOptions(argv: readonly string[]): Map<string, string> {
  const given = new Map<string, string>()
  const rest = [...argv]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [option = '', inline] = word.split(/=(.*)/s)
    if (!VALUES.has(option)) throw new UsageError(`unknown option or argument: ${word}`)
    if (given.has(option)) throw new UsageError(`${option} is given twice`)
    const value = inline ?? rest.shift()
    if (!value) throw new UsageError(`${option} needs a value`)
    given.set(option, value)
  }
  return given
}

function needed(given: Map<string, string>, option: string): string {
  const value = given.get(option)
  if (value === undefined) throw new UsageError(`${option} is missing`)
  return value
}

function modeOf(text: string): number {
  if (text !== '600' && text !== '660') throw new UsageError('--socket-mode must be 600 or 660')
  return Number.parseInt(text, 8)
}

function parseListen(text: string, mode: number): ListenAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    if (!path.startsWith('/')) throw new UsageError('--listen unix: needs an absolute path')
    if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
      throw new UsageError(`--listen unix: path is longer than ${UNIX_PATH_BYTES_MAX} bytes`)
    }
    return { kind: 'unix', path, mode }
  }
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) throw new UsageError(`--listen ${text}: must be HOST:PORT or unix:/path`)
  return { kind: 'tcp', host: match[1] ?? match[2] ?? '', port }
}
