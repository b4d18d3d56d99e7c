/**
 * This machine as a node: an agent process of its own that outlives the daemon and is found again by pid, start time
 * and boot. It is started when it is not there, however often that is asked.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { type AgentLine, httpTransport } from '../clients/transport.ts'
import { TdfError } from '../core/errors.ts'
import type { Machine, Node } from '../core/node.ts'
import { makeFolder, writeDurable } from '../platform/files.ts'
import { identify, isAlive, type ProcessIdentity, sendSignal, startDetached } from '../platform/process.ts'
import { sleep, type World } from '../platform/world.ts'
import type { Provider } from './provider.ts'

export const LOCAL_NODE = 'local'

export interface LocalOptions {
  world: World
  stateDir: string
  runDir: string
  /** The agent program, one file. */
  program: string
  slots: number
  /** The agent's whole environment: what its agents inherit at most. */
  env: Record<string, string>
}

export interface LocalProvider extends Provider {
  /** Ends the agent process, for when nothing runs on it. */
  stop(): void
}

const START_MS_MAX = 5_000
const START_LOOK_MS = 20

export function localProvider(options: LocalOptions): LocalProvider {
  const { world, stateDir, runDir, slots } = options
  const socket = path.join(runDir, 'agent.sock')
  const tokenFile = path.join(stateDir, 'agent-token')
  const identityFile = path.join(stateDir, 'agent-process.json')
  let line: AgentLine | undefined

  function start(): void {
    const folder = path.join(stateDir, 'agent')
    makeFolder(folder)
    if (!existsSync(tokenFile)) {
      writeDurable(tokenFile, `${world.random.bytes(32).toString('base64url')}\n`)
    }
    rmSync(socket, { force: true })
    const output = openSync(path.join(stateDir, 'agent.log'), 'a', 0o600)
    const listen = ['--listen', `unix:${socket}`, '--state', folder]
    const who = ['--token-file', tokenFile, '--name', LOCAL_NODE]
    const child = startDetached(process.execPath, [options.program, ...listen, ...who], {
      cwd: stateDir,
      env: options.env,
      output,
    })
    closeSync(output)
    const identity = child.pid === undefined ? null : identify(child.pid)
    if (!identity) throw new TdfError('NODE_UNREACHABLE', `the local agent could not be started: ${options.program}`)
    writeFileSync(identityFile, JSON.stringify(identity), { mode: 0o600 })
  }

  /** Gives a fresh process the moment that it needs to listen. */
  async function listening(signal: AbortSignal): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += START_LOOK_MS) {
      if (existsSync(socket)) return true
      await sleep(world.clock, START_LOOK_MS, signal)
    }
    return false
  }

  async function ensure(_node: Node, signal: AbortSignal): Promise<Machine> {
    if (!isThere(identityFile)) start()
    if (await listening(signal)) return { state: 'up', address: socket }
    const why = `the local agent does not listen yet; its log is ${path.join(stateDir, 'agent.log')}`
    return { state: 'coming', why }
  }

  return {
    staticNodes: () => [{ name: LOCAL_NODE, size: null, location: null, address: socket, maxWorkspaces: slots }],
    catalogue: () => null,
    ensure,
    find: ensure,
    async connect() {
      line ??= { transport: httpTransport({ socket }), token: readFileSync(tokenFile, 'utf8').trim() }
      return line
    },
    shell: () => ['sh', '-c'],
    destroy: async () => true,
    stop() {
      const identity = read(identityFile)
      if (identity && isAlive(identity)) sendSignal(identity.pid, 'SIGTERM')
    },
  }
}

function isThere(identityFile: string): boolean {
  const identity = read(identityFile)
  return identity !== null && isAlive(identity)
}

function read(identityFile: string): ProcessIdentity | null {
  try {
    // We wrote it; what a crash left half-written reads as nothing.
    return JSON.parse(readFileSync(identityFile, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}

export interface LocalUnitOptions {
  /** Where the agent listens. */
  socket: string
  tokenFile: string
  slots: number
  /** What opens a shell as the agent's user. */
  shell: readonly string[]
}

/**
 * This machine as a node whose agent is a service of its own: found by its socket, started and kept by systemd, and left
 * alone by a daemon that ends.
 */
export function localUnitProvider({ socket, tokenFile, slots, shell }: LocalUnitOptions): Provider {
  let line: AgentLine | undefined
  const look = async (): Promise<Machine> =>
    existsSync(socket)
      ? { state: 'up', address: socket }
      : { state: 'coming', why: `tdf-agent.service does not listen at ${socket} yet` }

  return {
    staticNodes: () => [{ name: LOCAL_NODE, size: null, location: null, address: socket, maxWorkspaces: slots }],
    catalogue: () => null,
    ensure: look,
    find: look,
    async connect() {
      line ??= { transport: httpTransport({ socket }), token: readFileSync(tokenFile, 'utf8').trim() }
      return line
    },
    shell: () => shell,
    destroy: async () => true,
  }
}
