/**
 * The daemon's view of a VM agent. Answers are parsed, and failures get their class here, where the facts are met: no
 * connection is waited out, 5xx is tried again, a refusal is final.
 */

import type { z } from 'zod'
import { asTdfError, type ErrorCode, TdfError } from '../core/errors.ts'
import { effect, type World } from '../platform/world.ts'
import * as api from '../protocol/agent-api.ts'
import { type Salvaged, salvaged } from '../protocol/salvage.ts'
import { BODY_BYTES_MAX, BUNDLE_BYTES_MAX, EVENTS_PAGE_BYTES_MAX, LOG_CHUNK_BYTES_MAX } from '../protocol/shapes.ts'
import type { Answer, Exchange, Transport } from './transport.ts'

export interface LogPiece {
  bytes: Buffer
  /** Where to go on. */
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
  workspaces(): Promise<api.AgentWorkspace[]>
  /** Null when the agent does not know it. */
  workspace(workspaceId: string): Promise<api.AgentWorkspace | null>
  startSession(workspaceId: string, body: api.StartSession): Promise<{ status: 'running' | 'exited' }>
  session(workspaceId: string, sessionId: string): Promise<api.AgentSession | null>
  prompt(workspaceId: string, sessionId: string, deliveryId: string, text: string): Promise<void>
  answerPermission(workspaceId: string, sessionId: string, answer: api.PermissionAnswer): Promise<void>
  cancelSession(workspaceId: string, sessionId: string): Promise<void>
  logs(workspaceId: string, sessionId: string | null, afterByte: number): Promise<LogPiece>
  /** When which byte of it was written: lines `MS OFFSET`. Refused by agents that are older than this. */
  logTimes(workspaceId: string, sessionId: string | null, afterByte: number): Promise<LogPiece>
  /** `isLive`: also while a session runs, without its output and conversation. */
  salvage(workspaceId: string, ref: string, isLive?: boolean): Promise<Salvaged>
  /** Writes the bundle of `ref` into `file`; false when the agent says that `have` already holds it. */
  bundle(workspaceId: string, ref: string, have: readonly string[], file: string): Promise<boolean>
  stopWorkspace(workspaceId: string): Promise<void>
  deleteWorkspace(workspaceId: string): Promise<void>
}

/** A connection to an agent: transport and token. Which agent answers is checked by the caller. */
export interface AgentLine {
  transport: Transport
  token: string
  /** What the node has to call to reach us by this way; without it the daemon's own url. */
  callbackUrl?: string
}

export interface AgentClientOptions extends AgentLine {
  world: World
  nodeName: string
  /** Instead of the limits of all calls but those that move the work of a task, in ms. */
  timeoutMs?: number
  signal?: AbortSignal
}

const TIMEOUT_MS = 30_000
/** The agent answers when the program was started, or not; it gives up after 20 s by itself. */
const START_TIMEOUT_MS = 45_000
const SALVAGE_TIMEOUT_MS = 300_000
/** How often an agent that does not answer is asked again, in ms. */
const UNREACHABLE_RETRY_MS = 5_000

export function agentClient(options: AgentClientOptions): AgentClient {
  const { nodeName, timeoutMs } = options
  const { call, ask, orNull, headers } = agentCalls(options)
  const at = (workspaceId: string) => `/workspaces/${encodeURIComponent(workspaceId)}`
  const session = (workspaceId: string, id: string) => `${at(workspaceId)}/agent-sessions/${encodeURIComponent(id)}`

  async function piece(path: string, sessionId: string | null, after: number): Promise<LogPiece> {
    const which = sessionId === null ? '' : `&session=${encodeURIComponent(sessionId)}`
    const answer = await call('GET', `${path}?after=${after}${which}`, { bytesMax: 2 * LOG_CHUNK_BYTES_MAX })
    return { bytes: answer.body, next: Number(answer.headers['x-next-offset'] ?? after + answer.body.length) }
  }

  return {
    register: async json => void (await call('PUT', '/registration', { json })),
    health: () => ask(api.health, 'GET', '/health'),
    sandboxProblem: async kind => {
      const answer = await orNull(ask(api.sandboxState, 'GET', `/sandboxes/${kind}`))
      return answer === null ? 'its tdf-agent is of an older version, which knows no sandbox' : answer.problem
    },
    events: async (after, waitS) => {
      const limits = { timeoutMs: TIMEOUT_MS + waitS * 1000, bytesMax: EVENTS_PAGE_BYTES_MAX }
      const path = `/events?after=${after}&wait=${waitS}`
      const page = await ask(api.agentEvents, 'GET', path, limits).catch(thrown => {
        throw isTooLarge(thrown) ? unreadable(nodeName, thrown.message) : thrown
      })
      const falls = page.events.findIndex(({ seq }, index) => seq <= (page.events[index - 1]?.seq ?? after))
      if (falls >= 0) throw unreadable(nodeName, `events.${falls}.seq does not rise`)
      return page
    },
    createWorkspace: json => ask(api.workspaceAck, 'POST', '/workspaces', { json }),
    uploadBundle: async (id, file) => {
      const type = { ...headers, 'content-type': 'application/octet-stream' }
      await call('PUT', `${at(id)}/bundle`, { upload: file, headers: type })
    },
    workspaces: async () => (await ask(api.agentWorkspaces, 'GET', '/workspaces', {})).workspaces,
    workspace: id => orNull(ask(api.agentWorkspace, 'GET', at(id))),
    startSession: (id, json) =>
      ask(api.sessionAck, 'POST', `${at(id)}/agent-sessions`, { json, timeoutMs: timeoutMs ?? START_TIMEOUT_MS }),
    session: (id, sessionId) => orNull(ask(api.agentSession, 'GET', session(id, sessionId))),
    prompt: async (id, sessionId, deliveryId, text) =>
      void (await call('POST', `${session(id, sessionId)}/prompt`, { json: { deliveryId, text } })),
    answerPermission: async (id, sessionId, json) =>
      void (await call('POST', `${session(id, sessionId)}/permission`, { json })),
    cancelSession: async (id, sessionId) => void (await call('POST', `${session(id, sessionId)}/cancel`, { json: {} })),
    logs: (id, sessionId, after) => piece(`${at(id)}/logs`, sessionId, after),
    logTimes: (id, sessionId, after) => piece(`${at(id)}/log-times`, sessionId, after),
    salvage: (id, ref, isLive = false) => {
      const json = { ref, ...(isLive ? { live: true } : {}) }
      return ask(salvaged, 'POST', `${at(id)}/salvage`, { json, timeoutMs: SALVAGE_TIMEOUT_MS })
    },
    async bundle(id, ref, have, file) {
      const query = new URLSearchParams({ ref })
      for (const oid of have) query.append('have', oid)
      const limits = { timeoutMs: SALVAGE_TIMEOUT_MS, bytesMax: BUNDLE_BYTES_MAX }
      return (await call('GET', `${at(id)}/bundle?${query}`, { download: file, ...limits })).status === 200
    },
    stopWorkspace: async id => void (await call('POST', `${at(id)}/stop`, { json: {} })),
    deleteWorkspace: async id => void (await call('DELETE', at(id))),
  }
}

/** A call to the agent; `ask` checks the answer against its schema, `orNull` turns a workspace that is gone into null. */
function agentCalls({ world, nodeName, token, transport, signal, timeoutMs }: AgentClientOptions) {
  const headers = { authorization: `Bearer ${token}` }

  async function call(
    method: string,
    path: string,
    more: Partial<Exchange> & { json?: unknown } = {},
  ): Promise<Answer> {
    const { json, ...rest } = more
    const exchange: Exchange = {
      method,
      path,
      headers: json === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      timeoutMs: timeoutMs ?? TIMEOUT_MS,
      bytesMax: 4 * BODY_BYTES_MAX,
      ...(signal ? { signal } : {}),
      ...rest,
    }
    const answer = await effect(world, 'agent', () => transport(exchange)).catch(thrown => {
      throw noAnswer(nodeName, thrown, signal)
    })
    if (answer.status >= 400) throw refusal(nodeName, `${method} ${path}`, answer)
    return answer
  }

  async function ask<T extends z.ZodType>(schema: T, ...request: Parameters<typeof call>): Promise<z.output<T>> {
    return read(nodeName, schema, await call(...request))
  }

  const orNull = async <T>(asked: Promise<T>): Promise<T | null> =>
    asked.catch(error => {
      if (error instanceof TdfError && error.code === 'WORKSPACE_GONE') return null
      throw error
    })

  return { call, ask, orNull, headers }
}

function read<T extends z.ZodType>(nodeName: string, schema: T, answer: Answer): z.output<T> {
  const parsed = schema.safeParse(json(answer.body))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw unreadable(nodeName, issue?.path.join('.') || 'the body')
}

const isTooLarge = (thrown: unknown): thrown is TdfError => thrown instanceof TdfError && thrown.code === 'TOO_LARGE'

function unreadable(nodeName: string, what: string): TdfError {
  return new TdfError('AGENT_PROTOCOL', `the agent of ${nodeName} gave an answer that cannot be read: ${what}`)
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** What the agent's own codes mean to the engine; anything else it refuses is final. */
const REFUSALS: Record<string, ErrorCode> = {
  cannot_start: 'CANNOT_START',
  session_running: 'AGENT_BUSY',
  workspace_not_ready: 'AGENT_BUSY',
  wrong_node: 'NODE_UNREACHABLE',
}

function refusal(nodeName: string, request: string, { status, headers, body }: Answer): TdfError {
  const said = api.agentError.safeParse(json(body)).data?.error
  const code = REFUSALS[said?.code ?? ''] ?? byStatus(status)
  const message = said?.message ?? `it answered ${status}`
  const seconds = Number(headers['retry-after'])
  return new TdfError(
    code,
    code === 'CANNOT_START' ? message : `node ${nodeName}, ${request}: ${message} (${status})`,
    {
      ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
    },
  )
}

function byStatus(status: number): ErrorCode {
  if (status === 404 || status === 410) return 'WORKSPACE_GONE'
  return status >= 500 || status === 408 || status === 425 || status === 429 ? 'AGENT_BUSY' : 'AGENT_REFUSED'
}

function noAnswer(nodeName: string, thrown: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted || thrown instanceof TdfError) return thrown
  const why = asTdfError(thrown).message || 'no connection'
  return new TdfError('NODE_UNREACHABLE', `node ${nodeName} does not answer: ${why}`, {
    cause: thrown,
    retryAfterMs: UNREACHABLE_RETRY_MS,
  })
}
