/**
 * The daemon's view of a VM agent. Nothing that it answers is believed: shapes, sizes and numbers are checked, and an
 * answer about one thing has to be about the thing that was asked for.
 */
import { TdfError } from '../core/errors.ts'
import * as api from '../protocol/agent-api.ts'
import type { RequestAnswer } from '../protocol/callbacks.ts'
import { type Salvaged, type SalvageHow, salvaged } from '../protocol/salvage.ts'
import { BUNDLE_BYTES_MAX, EVENTS_PAGE_BYTES_MAX, LOG_CHUNK_BYTES_MAX } from '../protocol/shapes.ts'
import { keptSource } from '../protocol/workspace-source.ts'
import { type AgentClientOptions, agentCalls, TIMEOUT_MS, unreadable } from './agent-calls.ts'

export interface LogPiece {
  bytes: Buffer
  /** Where to go on: behind what came, whatever the agent says. */
  next: number
}

export interface AgentClient {
  register(body: api.Registration): Promise<void>
  health(): Promise<api.Health>
  /** What keeps its machine from confining a command; null when nothing does. Throws NODE… while it does not answer. */
  sandboxProblem(kind: api.Sandbox['kind']): Promise<string | null>
  /** The outbox after `seq`; waits up to `waitS` seconds for the first. Throws AGENT_PROTOCOL for a page too large. */
  events(afterSeq: number, waitS: number): Promise<api.AgentEvents>
  createWorkspace(body: api.CreateWorkspace): Promise<{ status: string }>
  uploadBundle(workspaceId: string, file: string): Promise<void>
  /** A bundle that builds on what the node has, in place of the whole; false when the node cannot use it. */
  uploadThin(workspaceId: string, thin: { file: string; sha256: string; bytes: number }): Promise<boolean>
  /** Commits that the node has of a source, newest first; none of an agent that is older than this. */
  commitsKept(key: string): Promise<string[]>
  workspaces(): Promise<api.AgentWorkspace[]>
  /** Null when the agent does not know it. */
  workspace(workspaceId: string): Promise<api.AgentWorkspace | null>
  startSession(workspaceId: string, body: api.StartSession): Promise<{ status: 'running' | 'exited' }>
  session(workspaceId: string, sessionId: string): Promise<api.AgentSession | null>
  prompt(workspaceId: string, sessionId: string, deliveryId: string, text: string): Promise<void>
  answerPermission(workspaceId: string, sessionId: string, answer: api.PermissionAnswer): Promise<void>
  /** What its agent asked for by `session.request`. */
  answerRequest(workspaceId: string, sessionId: string, answer: RequestAnswer): Promise<void>
  cancelSession(workspaceId: string, sessionId: string): Promise<void>
  logs(workspaceId: string, sessionId: string | null, afterByte: number): Promise<LogPiece>
  /** When which byte of it was written: lines `MS OFFSET`. Refused by agents that are older than this. */
  logTimes(workspaceId: string, sessionId: string | null, afterByte: number): Promise<LogPiece>
  /** `live`: also while a session runs, without its output and conversation. */
  salvage(workspaceId: string, ref: string, how?: SalvageHow): Promise<Salvaged>
  /** Writes the bundle of `ref` into `file`; false when the agent says that `have` already holds it. */
  bundle(workspaceId: string, ref: string, have: readonly string[], file: string): Promise<boolean>
  stopWorkspace(workspaceId: string): Promise<void>
  deleteWorkspace(workspaceId: string): Promise<void>
}

/** The agent answers when the program was started, or not; it gives up after 20 s by itself. */
const START_TIMEOUT_MS = 45_000
const SALVAGE_TIMEOUT_MS = 300_000

export function agentClient(options: AgentClientOptions): AgentClient {
  const { nodeName, timeoutMs } = options
  const calls = agentCalls(options)
  const { call, ask, orNull, headers } = calls
  const at = (workspaceId: string) => `/workspaces/${encodeURIComponent(workspaceId)}`
  const session = (workspaceId: string, id: string) => `${at(workspaceId)}/agent-sessions/${encodeURIComponent(id)}`

  async function piece(path: string, sessionId: string | null, after: number): Promise<LogPiece> {
    const which = sessionId === null ? '' : `&session=${encodeURIComponent(sessionId)}`
    const answer = await call('GET', `${path}?after=${after}${which}`, { bytesMax: 2 * LOG_CHUNK_BYTES_MAX })
    return { bytes: answer.body, next: after + answer.body.length }
  }

  async function upload(path: string, file: string): Promise<void> {
    const type = { ...headers, 'content-type': 'application/octet-stream' }
    await call('PUT', path, { upload: file, headers: type })
  }

  return {
    register: async json => void (await call('PUT', '/registration', { json })),
    health: () => ask(api.health, 'GET', '/health'),
    sandboxProblem: async kind => {
      const answer = await orNull(ask(api.sandboxState, 'GET', `/sandboxes/${kind}`))
      return answer === null ? 'its tdf-agent is of an older version, which knows no sandbox' : answer.problem
    },
    events: (after, waitS) => readEvents(calls, nodeName, after, waitS),
    createWorkspace: async json =>
      about(nodeName, json, await ask(api.workspaceAck, 'POST', '/workspaces', { json }), 'workspaceId'),
    uploadBundle: (id, file) => upload(`${at(id)}/bundle`, file),
    uploadThin: (id, { file, sha256, bytes }) =>
      upload(`${at(id)}/bundle?thin=${sha256}&bytes=${bytes}`, file).then(() => true, notWhenRefused),
    commitsKept: async key => (await orNull(ask(keptSource, 'GET', `/sources/${key}`)))?.have ?? [],
    workspaces: async () => (await ask(api.agentWorkspaces, 'GET', '/workspaces', {})).workspaces,
    workspace: async workspaceId =>
      about(nodeName, { workspaceId }, await orNull(ask(api.agentWorkspace, 'GET', at(workspaceId))), 'workspaceId'),
    startSession: async (id, json) => {
      const limits = { timeoutMs: timeoutMs ?? START_TIMEOUT_MS }
      const started = await ask(api.sessionAck, 'POST', `${at(id)}/agent-sessions`, { json, ...limits })
      return about(nodeName, json, started, 'sessionId')
    },
    session: async (id, sessionId) =>
      about(nodeName, { sessionId }, await orNull(ask(api.agentSession, 'GET', session(id, sessionId))), 'sessionId'),
    prompt: async (id, sessionId, deliveryId, text) =>
      void (await call('POST', `${session(id, sessionId)}/prompt`, { json: { deliveryId, text } })),
    answerPermission: async (id, sessionId, json) =>
      void (await call('POST', `${session(id, sessionId)}/permission`, { json })),
    answerRequest: async (id, sessionId, json) =>
      void (await call('POST', `${session(id, sessionId)}/answers`, { json })),
    cancelSession: async (id, sessionId) => void (await call('POST', `${session(id, sessionId)}/cancel`, { json: {} })),
    logs: (id, sessionId, after) => piece(`${at(id)}/logs`, sessionId, after),
    logTimes: (id, sessionId, after) => piece(`${at(id)}/log-times`, sessionId, after),
    salvage: (id, ref, how = {}) => {
      const json = { ref, ...how }
      return ask(salvaged, 'POST', `${at(id)}/salvage`, { json, timeoutMs: SALVAGE_TIMEOUT_MS })
    },
    async bundle(id, ref, have, file) {
      const query = new URLSearchParams({ ref })
      for (const oid of have) query.append('have', oid)
      const limits = { timeoutMs: SALVAGE_TIMEOUT_MS, bytesMax: BUNDLE_BYTES_MAX }
      const { status } = await call('GET', `${at(id)}/bundle?${query}`, { download: file, ...limits })
      if (status !== 200 && status !== 204) throw unreadable(nodeName, `a bundle with status ${status}`)
      return status === 200
    },
    stopWorkspace: async id => void (await call('POST', `${at(id)}/stop`, { json: {} })),
    deleteWorkspace: async id => void (await call('DELETE', at(id))),
  }
}

function notWhenRefused(thrown: unknown): false {
  if (thrown instanceof TdfError && thrown.code === 'AGENT_REFUSED') return false
  throw thrown
}

async function readEvents(
  { ask }: ReturnType<typeof agentCalls>,
  nodeName: string,
  after: number,
  waitS: number,
): Promise<api.AgentEvents> {
  const limits = { timeoutMs: TIMEOUT_MS + waitS * 1000, bytesMax: EVENTS_PAGE_BYTES_MAX }
  const page = await ask(api.agentEvents, 'GET', `/events?after=${after}&wait=${waitS}`, limits).catch(thrown => {
    throw thrown instanceof TdfError && thrown.code === 'TOO_LARGE' ? unreadable(nodeName, thrown.message) : thrown
  })
  const falls = page.events.findIndex(({ seq }, index) => seq <= (page.events[index - 1]?.seq ?? after))
  if (falls >= 0) throw unreadable(nodeName, `events.${falls}.seq does not rise`)
  return page
}

/** The answer, when it is about what was asked for. */
function about<K extends string, T extends Record<K, string> | null>(
  nodeName: string,
  asked: Record<K, string>,
  answer: T,
  key: K,
): T {
  if (answer !== null && answer[key] !== asked[key]) throw unreadable(nodeName, `it is about another ${key}`)
  return answer
}
