/**
 * A command behind bwrap(1): users, processes and file system of its own, the network of the machine. What cannot be
 * confined is refused, never run as it is.
 */

import { existsSync, realpathSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type CommandEnd, runSmall } from '../../platform/process.ts'
import { type Confined, type Mount, mountsFor } from './mounts.ts'
import { asSlot, type Slot } from './slot.ts'

const NAMESPACES = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try']
const ROOT = ['--die-with-parent', '--cap-drop', 'ALL', '--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc']
const PROBE_MS = 10_000
/** How sh says that it found no such program. */
const NOT_FOUND = 127

/**
 * SIGTERM is for the command alone: bwrap would end by it at once and take the command along without its grace. What is
 * ignored stays so for whatever is started, and a shell cannot change that, but env(1) can.
 */
const behind = (options: readonly string[], command: readonly string[]) => [
  ...['env', '--ignore-signal=TERM', 'bwrap', ...NAMESPACES, ...ROOT, ...options, '--'],
  ...['env', '--default-signal=TERM', ...command],
]

/** What keeps this machine from it, in words; null when nothing does. */
export async function bubblewrapProblem(path: string): Promise<string | null> {
  return tried(behind([], ['true']), { PATH: path }, '/')
}

/** The command line that runs the command confined. Throws when that cannot be done, or its program is not in there. */
export async function confine(confined: Confined, folder: string): Promise<string[]> {
  const { request, env } = confined
  const options = optionsFor(mountsFor(confined), request.workTree, emptyFile(folder))
  const { slot, command } = request
  const [program = ''] = command
  const look = behind(options, ['sh', '-c', 'command -v "$0" >/dev/null || exit 127', program])
  const problem = await tried(inSlot(slot, look), env, request.workTree)
  if (problem === MISSING) throw new Error(`cannot start ${program}: it is not there, or hidden by the sandbox`)
  if (problem !== null) throw new Error(`the sandbox cannot be made: ${problem}`)
  // env takes a word with "=" for a variable: the command comes behind one that cannot be taken for that.
  return inSlot(slot, behind(options, ['sh', '-c', 'exec "$0" "$@"', ...command]))
}

const inSlot = (slot: Slot | null, command: string[]) => (slot ? asSlot(slot, command) : command)

function optionsFor(mounts: readonly Mount[], workTree: string, empty: string): string[] {
  const bound = mounts.flatMap(({ path, isFolder, access }) => {
    if (access === 'read' || access === 'write') return [access === 'read' ? '--ro-bind' : '--bind', path, path]
    return isFolder ? ['--tmpfs', path] : ['--ro-bind', empty, path]
  })
  const sealed = mounts.flatMap(({ path, isFolder, access }) =>
    access === 'hidden' && isFolder ? ['--remount-ro', path] : [],
  )
  return [...bound, ...sealed, '--unsetenv', 'TMPDIR', '--chdir', realpathSync(workTree)]
}

/** Stands where a file is hidden. */
function emptyFile(folder: string): string {
  const path = join(folder, 'empty')
  if (!existsSync(path)) writeFileSync(path, '', { mode: 0o444 })
  return path
}

const MISSING = 'it is not there'

async function tried(words: readonly string[], env: Record<string, string>, cwd: string): Promise<string | null> {
  const [file = '', ...args] = words
  const { exitCode, stderr, timedOut } = await runSmall(file, args, { cwd, env, timeoutMs: PROBE_MS })
  if (exitCode === 0) return null
  if (exitCode === NOT_FOUND && stderr === '') return MISSING
  if (timedOut) return 'bwrap takes too long'
  if (exitCode === NOT_FOUND && /bwrap/.test(stderr)) return 'bwrap (of the package bubblewrap) is not installed'
  return stderr.trim().split('\n').at(-1) || `it ended with exit code ${exitCode}`
}

/** By these no program ends of its own accord; bwrap tells of a signal by an exit code. */
const FATAL = ['SIGKILL', 'SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL'] as const

export function withSignal(end: CommandEnd): CommandEnd {
  const signal = FATAL.find(name => end.exitCode === 128 + constants.signals[name])
  return signal ? { exitCode: null, signal } : end
}
