/** Processes: start one that outlives us or has the terminal, and check whether it is still the same one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import process from 'node:process'
import { underUmask } from './files.ts'

export type { ChildProcess } from 'node:child_process'

/** Which process it is: a pid is used again, together with its start time and the boot it is unique. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  startTicks: string
  bootId: string
}

export function identify(pid: number): ProcessIdentity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return { pid, startTicks: fields[19] ?? '', bootId }
  } catch {
    return null
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid)
  return now !== null && now.startTicks === identity.startTicks && now.bootId === identity.bootId
}

/** Sends a signal to a process or, with a negative pid, to its group. False when there is none. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

export interface DetachedOptions {
  cwd: string
  env: Record<string, string>
  /** File descriptors for stdout and stderr. */
  output: number
}

/** Starts a program in a session of its own that goes on when we end. */
export function startDetached(file: string, args: readonly string[], options: DetachedOptions): ChildProcess {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', options.output, options.output],
  })
  // The caller looks for the process: one that could not be started is not there.
  child.on('error', () => {})
  child.unref()
  return child
}

export interface ForegroundOptions {
  cwd: string
  env: Record<string, string>
  /**
   * An open terminal instead of our own streams. Needed where we read from it: a child makes the streams that it inherits
   * blocking, and they are ours too.
   */
  terminal?: number
}

/**
 * Hands the terminal over until the program ends. Answers its exit code, 128 + n for signal n, 127 when it cannot start.
 */
export async function runForeground(
  file: string,
  args: readonly string[],
  { terminal, ...options }: ForegroundOptions,
): Promise<number> {
  const child = spawn(file, args, { ...options, stdio: terminal === undefined ? 'inherit' : Array(3).fill(terminal) })
  const ignore = () => {}
  // Ctrl-C is for the program that has the terminal.
  process.on('SIGINT', ignore)
  try {
    return await new Promise(resolve => {
      child.once('error', () => resolve(127))
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? (constants.signals[signal] ?? 0) : 0)))
    })
  } finally {
    process.off('SIGINT', ignore)
  }
}

export interface GroupOptions {
  cwd: string
  env: Record<string, string>
  /** File descriptors; stdout and stderr may be the same, so that their order is kept. */
  input: number | 'ignore' | 'pipe'
  stdout: number
  stderr: number
  umask?: number
}

/** Starts a program at the head of a session and process group of its own, so that the group can be ended as one. */
export function startGroup(file: string, args: readonly string[], options: GroupOptions): ChildProcess {
  const stdio = [options.input, options.stdout, options.stderr]
  const { cwd, env, umask } = options
  return underUmask(umask, () => spawn(file, args, { cwd, env, detached: true, shell: false, stdio }))
}

/** Of the machine's present run; another one means that every process from before is gone. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** O_CLOEXEC of open(2) on Linux, as fdinfo shows it (proc(5)). */
const CLOSED_ON_EXEC = 0o2000000

/**
 * Closes what another program left open when it started this one, so that nothing that is started here inherits it. Node
 * does so for the first sixteen and those that follow without a gap (uv_disable_stdio_inheritance); files that it opens
 * itself are closed on exec, and so can be told apart.
 */
export function closeInheritedFiles(): void {
  for (const name of descriptors()) {
    const descriptor = Number(name)
    if (descriptor > 2 && isInherited(name)) closeSync(descriptor)
  }
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd')
  } catch {
    return []
  }
}

function isInherited(descriptor: string): boolean {
  try {
    const [, flags] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')) ?? []
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSED_ON_EXEC) === 0
  } catch {
    return false
  }
}
