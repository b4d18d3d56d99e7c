/** A scripted peer in a session of a real node's agent, and what the session was worth. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentSession } from '../../../src/protocol/agent-api.ts'
import { type AgentProcess, startAgentProcess } from '../../unit/src/agent/support/agent.ts'
import { eventually, tempFolder } from '../../unit/src/agent/support/temp.ts'
import { readyWorkspace, repository, sessionBody, sessionEnd } from '../../unit/src/agent/support/work.ts'

export const PEER = new URL('../../fakes/programs/scripted-agent.mjs', import.meta.url).pathname

export interface Stage {
  /** Plays the lines, or a file of them, to its end. */
  run(script: string[] | string, options?: PlayOptions): Promise<AgentSession>
  /** Begins to play them. */
  begin(script: string[] | string, options?: PlayOptions): Promise<Session>
  /** A file of the work tree. */
  read(name: string): string
  write(name: string): void
}

export interface PlayOptions {
  permissions?: 'allow' | 'deny' | 'ask'
  timeoutMs?: number
  resumeRef?: string
  env?: Record<string, string>
}

export interface Session {
  path: string
  folder: string
  view(): Promise<AgentSession>
  end(): Promise<AgentSession>
  post(path: string, body: unknown): Promise<number>
}

export async function openStage(type: string): Promise<Stage> {
  const agent: AgentProcess = await startAgentProcess()
  const workspace = await readyWorkspace(agent, `file://${repository()}`)
  const tree = join(agent.state, 'workspaces', workspace, 'work')
  const begin: Stage['begin'] = async (script, { permissions = 'allow', timeoutMs, resumeRef, env = {} } = {}) => {
    const file = typeof script === 'string' ? script : join(tempFolder(), 'script.txt')
    if (typeof script !== 'string') writeFileSync(file, `${script.join('\n')}\n`)
    const command = [process.execPath, PEER, type, file]
    const body = {
      ...sessionBody([]),
      prompt: 'do it',
      permissions,
      ...(timeoutMs ? { timeoutMs } : {}),
      ...(resumeRef ? { resumeRef } : {}),
    }
    body.agent = { type, command, env }
    const started = await agent.post(`/workspaces/${workspace}/agent-sessions`, body)
    if (started.status !== 201) throw new Error(`session refused: ${started.bytes}`)
    const path = `/workspaces/${workspace}/agent-sessions/${body.sessionId}`
    return {
      path,
      folder: join(agent.state, 'workspaces', workspace, 'sessions', body.sessionId),
      view: async () => (await agent.get(path)).json,
      end: () => sessionEnd(agent, workspace, body.sessionId, 60_000),
      post: async (below, content) => (await agent.post(`${path}/${below}`, content)).status,
    }
  }
  return {
    begin,
    run: async (script, options) => (await begin(script, options)).end(),
    read: name => readFileSync(join(tree, name), 'utf8'),
    write: name => writeFileSync(join(tree, name), ''),
  }
}

/** The most memory that the runner of a session has had so far, in bytes. */
export async function peakOf({ folder }: Session): Promise<number> {
  const claim = await eventually('it is claimed', () => JSON.parse(readFileSync(join(folder, 'claim.json'), 'utf8')))
  const status = readFileSync(`/proc/${claim.runner.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
