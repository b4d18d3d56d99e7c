/**
 * A command behind bwrap(1): users, processes and file system of its own, the network of the machine. What cannot be
 * confined is refused, never run as it is.
 */
import { chownSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type CommandEnd, runSmall } from '../../platform/run.ts'
import type { Agent } from '../agent.ts'
import { removeTree } from '../state/remove-tree.ts'
import { KERNEL_SECRETS, KERNEL_SETTINGS } from './places.ts'
import { NOT_CONFINED, selfTest } from './self-test.ts'
import { asSlot, type Slot } from './slot.ts'
import { virtualSlots } from './slots.ts'
import { type Confined, type Sight, viewFor, virtualHome } from './view.ts'

const NAMESPACES = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--die-with-parent']
const PROBE_MS = 10_000
/** How sh says that it found no such program. */
const NOT_FOUND = 127

/** What keeps this machine from it, in words; null when nothing does. Tried with an empty workspace and a file beside it. */
export async function bubblewrapProblem(agent: Agent): Promise<string | null> {
  const folder = join(agent.state, `self-test-${agent.world.random.bytes(6).toString('hex')}`)
  const workTree = join(folder, 'work')
  const secret = join(folder, 'secret')
  try {
    mkdirSync(workTree, { recursive: true, mode: 0o700 })
    writeFileSync(secret, '', { mode: 0o600 })
    const [slot = null] = process.getuid?.() === 0 ? virtualSlots(agent) : []
    if (slot) mkdirSync(virtualHome(workTree))
    if (slot) for (const own of [workTree, virtualHome(workTree)]) chownSync(own, slot.uid, slot.gid)
    const { PATH = '/usr/bin:/bin', HOME = '/' } = agent.env
    const request = { type: 'command', command: ['true'], workTree, slot, sandbox: null }
    const confined = { request, promptFile: workTree, env: { PATH, HOME } }
    return (await prepare(confined, folder, secret)).problem
  } finally {
    await removeTree(folder)
  }
}

/** The command line that runs the command confined. Throws when that cannot be done, or its program is not in there. */
export async function confine(confined: Confined, folder: string): Promise<string[]> {
  const { command } = confined.request
  const { problem, behind } = await prepare(confined, folder, join(folder, 'request.json'))
  if (problem === MISSING) throw new Error(`cannot start ${command[0]}: it is not there, or not shown in the sandbox`)
  if (problem !== null) throw new Error(`the sandbox cannot be made: ${problem}`)
  // env takes a word with "=" for a variable: the command comes behind one that cannot be taken for that.
  return behind(['sh', '-c', 'exec "$0" "$@"', ...command])
}

/** `folder` is one of ours, `secret` a file in it that must not be there in the sandbox. */
async function prepare(confined: Confined, folder: string, secret: string) {
  const { request, env } = confined
  const { slot, workTree, command } = request
  const options = optionsFor(viewFor(confined), slot, emptyFile(folder))
  const place = realpathSync(workTree)
  // Gone to by who may: root without its capabilities may not enter a folder of another user.
  const behind = (words: readonly string[]) => commandLine(slot, options, [`--chdir=${place}`, ...words])
  const problem =
    process.getuid?.() === 0 && !slot
      ? 'tdf runs as root, and root in a sandbox is root of the machine'
      : await tried(behind(['sh', '-c', selfTest, command[0] ?? '', secret]), env, workTree)
  return { problem, behind }
}

/**
 * SIGTERM is for the command alone: bwrap would end by it at once and take the command along without its grace. What is
 * ignored stays so for whatever is started, and a shell cannot change that, but env(1) can.
 *
 * Root makes the view itself, which a slot's user could not, and becomes that user only inside.
 */
function commandLine(slot: Slot | null, options: readonly string[], command: readonly string[]): string[] {
  const words = ['env', '--default-signal=TERM', ...command]
  const start = ['env', '--ignore-signal=TERM', 'bwrap', ...NAMESPACES, '--cap-drop', 'ALL']
  if (slot && process.getuid?.() === 0) {
    const become = ['--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID']
    return [...start, ...become, ...options, '--', ...asSlot(slot, words)]
  }
  const confined = [...start, '--unshare-user', ...options, '--', ...words]
  return slot ? asSlot(slot, confined) : confined
}

function optionsFor(view: readonly Sight[], slot: Slot | null, empty: string): string[] {
  // Folders of root, in which a slot's user makes files.
  const mode = slot && process.getuid?.() === 0 ? '0777' : '0755'
  const shown = view.flatMap(sight => {
    const { path, kind } = sight
    if (kind === 'home') return ['--bind', sight.source, path]
    if (kind === 'link') return ['--symlink', sight.target, path]
    if (kind === 'read') return ['--ro-bind', path, path]
    if (kind === 'write') return ['--bind', path, path]
    if (kind === 'folder') return ['--perms', mode, '--dir', path]
    if (kind === 'empty') return ['--perms', path.endsWith('tmp') ? '1777' : mode, '--tmpfs', path]
    return sight.isFolder ? ['--tmpfs', path] : ['--ro-bind', empty, path]
  })
  const sealed = view.flatMap(({ path, kind }) => (kind === 'blank' ? ['--remount-ro', path] : []))
  const kernel = [
    ...KERNEL_SETTINGS.filter(existsSync).flatMap(path => ['--ro-bind', path, path]),
    ...KERNEL_SECRETS.filter(existsSync).flatMap(path => ['--ro-bind', empty, path]),
  ]
  const own = ['--dev', '/dev', '--proc', '/proc', ...kernel]
  return [...own, ...shown, ...sealed, '--remount-ro', '/', '--unsetenv', 'TMPDIR']
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
  if (exitCode === NOT_CONFINED) return stderr.trim()
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
