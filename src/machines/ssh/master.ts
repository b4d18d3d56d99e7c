/**
 * The standing connection to a node: a control master that carries a local socket to the agent's port and a port that
 * the node chooses back to our callback listener. It is a process of ours; one that a dead daemon left is ended.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { makeFolder } from '../../platform/files.ts'
import {
  type ChildProcess,
  identify,
  isAlive,
  type ProcessIdentity,
  sendSignal,
  startGroup,
} from '../../platform/process.ts'
import { run } from '../../platform/run.ts'
import { sleep, type World } from '../../platform/world.ts'
import { forgetOffered, hostKeyMismatch } from './host-keys.ts'
import { sshEnvironment, unreachableBySsh } from './run.ts'
import { type SshTarget, sshOptions } from './target.ts'

export interface MasterOptions {
  world: World
  nodeName: string
  target: SshTarget
  /** Where the control socket is and the socket that leads to the agent. */
  sockets: MasterSockets
  agentPort: number
  /** Our callback listener. */
  callback: { host: string; port: number }
}

export interface MasterSockets {
  control: string
  agent: string
}

export interface Master {
  /** The port on the node's loopback that leads to our callback listener. */
  callbackPort: number
  isAlive(): boolean
  /** Resolves when the connection is over. */
  ended: Promise<void>
  close(): void
}

/** sun_path of unix(7) holds 108 bytes with its NUL, and ssh binds its control socket under a name 17 bytes longer. */
const CONTROL_PATH_BYTES_MAX = 90
const OPEN_MS_MAX = 20_000
const OPEN_LOOK_MS = 20
const FORWARD_MS_MAX = 15_000

/** Throws NODE_UNREACHABLE, NODE_KEY_MISMATCH or SSH_UNUSABLE; then nothing is left of it. */
export async function openMaster(options: MasterOptions): Promise<Master> {
  const { target, sockets, nodeName } = options
  const { control } = sockets
  if (Buffer.byteLength(control) > CONTROL_PATH_BYTES_MAX) {
    const message = `the folder of the daemon's sockets has too long a path for ssh: ${path.dirname(control)}`
    throw new TdfError('SSH_UNUSABLE', message, { hint: 'tdf config path' })
  }
  endLeftover(target)
  makeFolder(path.dirname(control))
  for (const socket of [control, sockets.agent]) rmSync(socket, { force: true })
  forgetOffered(target)
  const child = startMaster(target, control)
  const ended = new Promise<void>(resolve => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  const close = () => {
    if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL')
    for (const socket of [control, sockets.agent]) rmSync(socket, { force: true })
  }
  try {
    await opened(options, child)
    await forward(options, '-L', `${sockets.agent}:127.0.0.1:${options.agentPort}`)
    const { host, port } = options.callback
    const chosen = Number(await forward(options, '-R', `127.0.0.1:0:${bracketed(host)}:${port}`))
    if (!(chosen > 0)) throw unreachableBySsh(nodeName, target, { stderr: 'no port was given back', timedOut: false })
    return { callbackPort: chosen, isAlive: () => isRunning(child), ended, close }
  } catch (error) {
    close()
    throw error
  }
}

const processFile = ({ folder }: SshTarget) => path.join(folder, 'master.json')
const logFile = ({ folder }: SshTarget) => path.join(folder, 'ssh.log')
const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null
const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

function startMaster(target: SshTarget, control: string): ChildProcess {
  const output = openSync(logFile(target), 'w', 0o600)
  try {
    const args = [...sshOptions(target), '-M', '-S', control, '-o', 'ControlPersist=no', '-N', '-T']
    const options = {
      cwd: target.folder,
      env: sshEnvironment(target),
      input: 'ignore',
      stdout: output,
      stderr: output,
    } as const
    const child = startGroup('ssh', [...args, '--', target.destination], options)
    const identity = child.pid === undefined ? null : identify(child.pid)
    if (identity) writeFileSync(processFile(target), JSON.stringify(identity), { mode: 0o600 })
    return child
  } finally {
    closeSync(output)
  }
}

/** Its control socket appears when it has signed in. */
async function opened({ world, target, sockets, nodeName }: MasterOptions, child: ChildProcess): Promise<void> {
  for (let waitedMs = 0; waitedMs < OPEN_MS_MAX && isRunning(child); waitedMs += OPEN_LOOK_MS) {
    if (existsSync(sockets.control)) return
    await sleep(world.clock, OPEN_LOOK_MS)
  }
  const said = { stderr: readFileSync(logFile(target), 'utf8'), timedOut: isRunning(child) }
  throw hostKeyMismatch(nodeName, target) ?? unreachableBySsh(nodeName, target, said)
}

/** Asked of the master by its socket: the answer to `-R 127.0.0.1:0` is the port that the node chose. */
async function forward(options: MasterOptions, flag: '-L' | '-R', what: string): Promise<string> {
  const { target, sockets, nodeName } = options
  const args = [...sshOptions(target), '-S', sockets.control, '-O', 'forward', flag, what, '--', target.destination]
  const asked = await run('ssh', args, { cwd: target.folder, env: sshEnvironment(), timeoutMs: FORWARD_MS_MAX })
  if (asked.exitCode === 0) return asked.stdout.trim()
  throw unreachableBySsh(nodeName, target, asked)
}

/** Ends the master of a daemon that was killed: its answers go nowhere, and it would hold the node's port for ever. */
export function endLeftover(target: SshTarget): void {
  const identity = readIdentity(processFile(target))
  if (identity && isAlive(identity)) sendSignal(-identity.pid, 'SIGKILL')
  rmSync(processFile(target), { force: true })
}

function readIdentity(file: string): ProcessIdentity | null {
  try {
    // We wrote it; what a crash left half-written reads as nothing.
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}
