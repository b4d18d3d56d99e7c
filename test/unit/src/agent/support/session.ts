/** Sessions without a node's agent around them: their requests on the disk, an agent of plain parts, and processes in their place. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, limitsFrom } from '../../../../../src/agent/agent.ts'
import { createRelay } from '../../../../../src/agent/http/relay.ts'
import type { SessionRequest } from '../../../../../src/agent/sessions/folder.ts'
import { openIdentity, openRegistration, openTombstones } from '../../../../../src/agent/state/identity.ts'
import { openOutbox } from '../../../../../src/agent/state/outbox.ts'
import { makeWorkspace, type Workspace, type WorkspaceRecord } from '../../../../../src/agent/workspaces/workspace.ts'
import { identify, type ProcessIdentity } from '../../../../../src/platform/process.ts'
import type { World } from '../../../../../src/platform/world.ts'
import { afterFile } from '../../../../support/after-file.ts'
import { tempFolder } from './temp.ts'

export const REQUEST = {
  ...{ sessionId: 's1', workspaceId: 'w1', taskId: 't1', attempt: 2, number: 1, contentHash: '', type: 'command' },
  ...{ command: ['true'], stdin: 'prompt', resumeRef: null, model: null, permissions: 'allow', maxCostUsd: null },
  ...{ idleMs: null, timeoutMs: null, workTree: '/', createdAt: '2026-01-01T00:00:00.000Z', slot: null, sandbox: null },
} satisfies SessionRequest

/** Writes a session's request and prompt into `folder`, which is made. */
export function storeSession(folder: string, change: Partial<SessionRequest> = {}, prompt = 'do it'): SessionRequest {
  mkdirSync(folder, { recursive: true })
  const request = { ...REQUEST, ...change }
  writeFileSync(join(folder, 'request.json'), JSON.stringify(request))
  writeFileSync(join(folder, 'prompt'), prompt)
  return request
}

export const writeJson = (path: string, value: unknown) => writeFileSync(path, JSON.stringify(value))
export const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'))

export interface Logged {
  level: string
  message: string
  facts: unknown
}

/** An agent whose parts are real, and what it has logged. `program` starts its runners. */
export function agentOf(
  world: World,
  program: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = { PATH: process.env.PATH },
): { agent: Agent; logged: Logged[] } {
  const state = tempFolder()
  const identity = openIdentity(world, state, 'n1')
  const logged: Logged[] = []
  const agent: Agent = {
    ...{ world, limits: limitsFrom(env), state, program, env, slots: [], slotsInCare: new Set(), identity },
    log: (level, message, facts) => void logged.push({ level, message, facts }),
    registration: openRegistration(state, identity.nodeName()),
    outbox: openOutbox(world, state),
    tombstones: openTombstones(state),
    relay: createRelay(() => agent, state),
    ...{ workspaces: new Map(), damaged: new Map(), watched: new Map(), ending: new AbortController() },
  }
  afterFile(() => {
    agent.ending.abort()
    for (const unwatch of [...agent.watched.values()]) unwatch()
    agent.outbox.close()
    agent.tombstones.close()
  })
  return { agent, logged }
}

export function workspaceOf(agent: Agent, change: Partial<WorkspaceRecord> = {}): Workspace {
  const folder = join(agent.state, 'workspaces', 'w1')
  mkdirSync(join(folder, 'sessions'), { recursive: true })
  mkdirSync(join(folder, 'work'))
  const record = {
    ...{ format: 1, contentHash: '', createdAt: '', status: 'ready', built: 'ready', errorMessage: null },
    ...{ baseCommit: null, bundleReceived: false, slot: null },
    // What of the workspace's request matters to its sessions.
    request: { taskId: 't1', attempt: 2 } as WorkspaceRecord['request'],
    ...change,
  } as WorkspaceRecord
  return makeWorkspace('w1', folder, record)
}

export interface Stand {
  child: ChildProcess
  runner: ProcessIdentity
  hasEnded: Promise<string>
}

/** A process that lives until it is ended, at the head of a group of its own. Ready when `script` has printed a line. */
export async function stand(script = 'echo up; exec sleep 600'): Promise<Stand> {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  const hasEnded = new Promise<string>(resolve =>
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`)),
  )
  afterFile(() => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 9)
  })
  await new Promise(resolve => child.stdout.once('data', resolve))
  const runner = identify(child.pid ?? 0)
  if (!runner) throw new Error('it has ended already')
  return { child, runner, hasEnded }
}

/** The paths of all files that this process holds open. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap(name => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return []
    }
  })
}
