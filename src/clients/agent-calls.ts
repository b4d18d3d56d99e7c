/**
 * Calls to a VM agent. Answers are parsed, and failures get their class here, where the facts are met: no connection is
 * waited out, 5xx is tried again, a refusal is final.
 */
import type { z } from 'zod'
import { asTdfError, type ErrorCode, TdfError } from '../core/errors.ts'
import { effect, type World } from '../platform/world.ts'
import * as api from '../protocol/agent-api.ts'
import { BODY_BYTES_MAX } from '../protocol/shapes.ts'
import type { AgentLine, Answer, Exchange } from './transport.ts'

export interface AgentClientOptions extends AgentLine {
  world: World
  nodeName: string
  /** The state folder of the agent that is meant: another one refuses what is about a workspace. Null or absent: any. */
  stateId?: string | null
  /** Instead of the limits of all calls but those that move the work of a task, in ms. */
  timeoutMs?: number
  signal?: AbortSignal
}

export const TIMEOUT_MS = 30_000
/** How often an agent that does not answer is asked again, in ms. */
const UNREACHABLE_RETRY_MS = 5_000

/** A call to the agent; `ask` checks the answer against its schema, `orNull` turns a workspace that is gone into null. */
export function agentCalls({ world, nodeName, stateId, token, transport, signal, timeoutMs }: AgentClientOptions) {
  const headers = { authorization: `Bearer ${token}`, ...(stateId ? { [api.STATE_HEADER]: stateId } : {}) }

  type More = Partial<Exchange> & { json?: unknown }

  async function call(method: string, path: string, { json, ...rest }: More = {}): Promise<Answer> {
    const exchange: Exchange = {
      method,
      path,
      headers: json === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      timeoutMs: timeoutMs ?? TIMEOUT_MS,
      bytesMax: 2 * BODY_BYTES_MAX,
      ...(signal ? { signal } : {}),
      ...rest,
    }
    const answer = await effect(world, 'agent', () => transport(exchange)).catch(thrown => {
      throw noAnswer(nodeName, thrown, signal)
    })
    if (answer.status >= 200 && answer.status < 300) return answer
    // Nobody's address leads elsewhere: where it does, another program answers.
    if (answer.status < 400) throw unreadable(nodeName, `status ${answer.status}`)
    throw refusal(nodeName, `${method} ${path.slice(0, REQUEST_LENGTH_MAX)}`, answer, token)
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

export function unreadable(nodeName: string, what: string): TdfError {
  return new TdfError('AGENT_PROTOCOL', `the agent of ${nodeName} gave an answer that cannot be read: ${what}`)
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** A shorter one is part of too many words. */
const TOKEN_LENGTH_MIN = 8
const MESSAGE_LENGTH_MAX = 4_000
const REQUEST_LENGTH_MAX = 300
const RETRY_AFTER_MS_MAX = 10 * 60_000

/** What the agent's own codes mean to the engine; anything else it refuses is final. */
const REFUSALS: Record<string, ErrorCode> = {
  cannot_start: 'CANNOT_START',
  session_running: 'AGENT_BUSY',
  workspace_not_ready: 'AGENT_BUSY',
  wrong_node: 'NODE_UNREACHABLE',
  wrong_state: 'NODE_REPLACED',
}

/** The agent's own words in short; what it was told as a secret is not repeated. */
function refusal(nodeName: string, request: string, { status, headers, body }: Answer, token: string): TdfError {
  const said = api.agentError.safeParse(json(body)).data?.error
  const code = REFUSALS[said?.code ?? ''] ?? byStatus(status)
  const message = masked(said?.message ?? `it answered ${status}`, token).slice(0, MESSAGE_LENGTH_MAX)
  const whole = code === 'CANNOT_START' ? message : `node ${nodeName}, ${request}: ${message} (${status})`
  return new TdfError(code, whole, retryAfter(headers['retry-after']))
}

const masked = (text: string, token: string) =>
  token.length < TOKEN_LENGTH_MIN ? text : text.replaceAll(token, '[token]')

/** In whole seconds, as agents say it; a node does not decide that it is asked at once, or never again. */
function retryAfter(text: string | undefined): { retryAfterMs?: number } {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return {}
  return { retryAfterMs: Math.min(Number(text) * 1000, RETRY_AFTER_MS_MAX) }
}

function byStatus(status: number): ErrorCode {
  if (status === 404 || status === 410) return 'WORKSPACE_GONE'
  return status >= 500 || status === 408 || status === 425 || status === 429 ? 'AGENT_BUSY' : 'AGENT_REFUSED'
}

function noAnswer(nodeName: string, thrown: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted || thrown instanceof TdfError) return thrown
  const why = asTdfError(thrown).message || 'no connection'
  const details = { cause: thrown, retryAfterMs: UNREACHABLE_RETRY_MS }
  return new TdfError('NODE_UNREACHABLE', `node ${nodeName} does not answer: ${why}`, details)
}
