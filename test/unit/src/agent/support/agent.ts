/** A real agent process on loopback, and what tests do with one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Log } from '../../../../../src/agent/errors.ts'
import { startAgent } from '../../../../../src/agent/start.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { afterFile } from '../../../../support/after-file.ts'
import { root } from '../../../../support/daemon/home.ts'
import { type Client, clientOf } from './client.ts'
import { tempFolder } from './temp.ts'

export interface AgentProcess extends Client {
  url: string
  token: string
  state: string
  pid: number
  /** Everything that it said on stderr so far. */
  said(): string
  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }>
  ended: Promise<{ code: number | null; signal: string | null }>
}

export interface AgentOptions {
  state?: string
  name?: string
  env?: Record<string, string>
  /** Runs as this user, with a copy of the program that it may read. Needs root. */
  uid?: number
}

export const TOKEN = 'a-token-of-the-test'
/** As it is shipped; this file is also bundled into the benchmarks. */
const AGENT_SCRIPT = join(root, 'dist/tdf-agent.js')

function spawnAgent(state: string, options: AgentOptions): ChildProcess {
  mkdirSync(state, { recursive: true })
  const tokenFile = join(state, '..', 'token')
  writeFileSync(tokenFile, `${TOKEN}\n`)
  const named = options.name === undefined ? [] : ['--name', options.name]
  const { uid } = options
  const script = uid === undefined ? AGENT_SCRIPT : join(state, '..', 'tdf-agent.js')
  if (uid !== undefined) {
    copyFileSync(AGENT_SCRIPT, script)
    for (const path of [join(state, '..'), state, tokenFile, script]) chownSync(path, uid, uid)
  }
  const args = [script, '--listen', '127.0.0.1:0', '--state', state, '--token-file', tokenFile, ...named]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  afterFile(() => {
    child.kill('SIGKILL')
    // Its runs outlive it, which is the point of them.
    spawnSync('pkill', ['-KILL', '-f', `run-session ${state}/`])
  })
  return child
}

/** In a mutation run mutants are switched in the process of the test: the agent runs there, and its sessions apart. */
const isInProcess = process.env.TDF_TEST_APART === 'mutate'

async function startHere(state: string, { name, env }: AgentOptions): Promise<AgentProcess> {
  mkdirSync(state, { recursive: true })
  let said = ''
  const log: Log = (level, message, facts) => {
    said += `${JSON.stringify({ level, message, ...facts })}\n`
  }
  const running = await startAgent(realWorld(), log, {
    ...{
      listen: { kind: 'tcp' as const, host: '127.0.0.1', port: 0 },
      state,
      token: TOKEN,
      name: name ?? null,
      slotUsers: [],
    },
    ...{ program: [process.execPath, AGENT_SCRIPT], env: { ...process.env, ...env } },
  })
  const end = () => running.stop().then(() => ({ code: 0, signal: null }))
  afterFile(() => {
    void end()
    spawnSync('pkill', ['-KILL', '-f', `run-session ${state}/`])
  })
  const url = `http://${running.address}`
  const about = { url, token: TOKEN, state, pid: process.pid, said: () => said }
  return { ...clientOf({ url, token: TOKEN }), ...about, ended: new Promise<never>(() => {}), kill: end }
}

export async function startAgentProcess(options: AgentOptions = {}): Promise<AgentProcess> {
  const state = options.state ?? join(tempFolder(), 'state')
  if (isInProcess && options.uid === undefined) return startHere(state, options)
  const child = spawnAgent(state, options)
  let said = ''
  child.stderr?.on('data', chunk => {
    said += chunk
  })
  const ended = new Promise<{ code: number | null; signal: string | null }>(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const address = await Promise.race([
    firstLine(child),
    ended.then(end => {
      throw new Error(`the agent ended at its start: ${JSON.stringify(end)} ${said}`)
    }),
  ])
  const url = `http://${address}`
  return {
    ...clientOf({ url, token: TOKEN }),
    url,
    token: TOKEN,
    state,
    pid: child.pid ?? 0,
    said: () => said,
    ended,
    kill: signal => {
      child.kill(signal)
      return ended
    },
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no stdout')
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line).address
  throw new Error('the agent said nothing')
}
