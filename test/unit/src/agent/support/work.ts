/** Repositories, workspaces and sessions, made the way a daemon would. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Client } from './client.ts'
import { eventually, tempFolder } from './temp.ts'

/** As no user and no system configures it. */
export const GIT_ENV = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
}

export function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
    cwd: folder,
    env: GIT_ENV,
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString()
}

/** A repository with one commit of the given files on `main`. */
export function repository(files: Record<string, string> = { 'README.md': 'hello\n' }, ...init: string[]): string {
  const folder = join(tempFolder(), 'repo')
  mkdirSync(folder)
  git(folder, 'init', '-q', '-b', 'main', ...init)
  writeFiles(folder, files)
  if (Object.keys(files).length > 0) {
    git(folder, 'add', '-A')
    git(folder, 'commit', '-q', '-m', 'first')
  }
  return folder
}

export function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

let count = 0
export const freshId = (kind: string) => `${kind}-${process.pid}-${++count}`

export function workspaceBody(url: string, more: Record<string, unknown> = {}) {
  return {
    workspaceId: freshId('ws'),
    taskId: 'task-1',
    attempt: 1,
    source: { kind: 'git', url, ref: null as string | null },
    outputBranch: 'tdf/task-1',
    author: { name: 'Ann Author', email: 'ann@example.com' },
    setup: null as { command: string; timeoutMs: number } | null,
    callback: { token: 'workspace-token' },
    ...more,
  }
}

export function sessionBody(command: string[], more: Record<string, unknown> = {}) {
  return {
    sessionId: freshId('s'),
    agent: { type: 'command', command, env: {} as Record<string, string> },
    prompt: '',
    timeoutMs: null as number | null,
    resumeRef: null,
    ...more,
  }
}

/** Creates it and waits until its build is over. */
export async function builtWorkspace(agent: Client, body: ReturnType<typeof workspaceBody>): Promise<string> {
  const created = await agent.post('/workspaces', body)
  if (created.status !== 202) throw new Error(`workspace refused: ${created.bytes}`)
  await eventually('the build is over', async () => (await statusOf(agent, body.workspaceId)) !== 'creating')
  return body.workspaceId
}

export async function readyWorkspace(agent: Client, url: string, more: Record<string, unknown> = {}): Promise<string> {
  const id = await builtWorkspace(agent, workspaceBody(url, more))
  const { json } = await agent.get(`/workspaces/${id}`)
  if (json.status !== 'ready') throw new Error(`workspace is ${json.status}: ${json.errorMessage}`)
  return id
}

export async function statusOf(agent: Client, workspaceId: string): Promise<string> {
  return (await agent.get(`/workspaces/${workspaceId}`)).json.status
}

/** Runs a shell script as a session and waits for its end. */
export async function runScript(
  agent: Client,
  workspaceId: string,
  script: string,
  more: Record<string, unknown> = {},
) {
  const body = sessionBody(['sh', '-c', script], more)
  const started = await agent.post(`/workspaces/${workspaceId}/agent-sessions`, body)
  if (started.status !== 201) throw new Error(`session refused: ${started.bytes}`)
  return sessionEnd(agent, workspaceId, body.sessionId)
}

export function sessionEnd(agent: Client, workspaceId: string, sessionId: string, ms = 20_000) {
  return eventually(
    'the session is over',
    async () => {
      const { json } = await agent.get(`/workspaces/${workspaceId}/agent-sessions/${sessionId}`)
      return json.status === 'exited' ? json : null
    },
    ms,
  )
}

// biome-ignore lint/suspicious/noExplicitAny: events are looked into freely
export async function allEvents(agent: Client): Promise<any[]> {
  return (await agent.get('/events')).json.events
}

export async function logOf(agent: Client, workspaceId: string, sessionId: string): Promise<string> {
  return (await agent.get(`/workspaces/${workspaceId}/logs?session=${sessionId}`)).bytes.toString()
}
