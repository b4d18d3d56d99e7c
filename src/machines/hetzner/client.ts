/** One request to the API: budgeted, bounded in time and size, and answered by a parsed value or by one typed error. */
import type { z } from 'zod'
import { bodyOf, fetchFailure } from '../../clients/outward.ts'
import { TdfError } from '../../core/errors.ts'
import { type Clock, effect, type World } from '../../platform/world.ts'
import { type ApiFault, HetznerError } from './errors.ts'

export interface HetznerClient {
  /**
   * Null for 404, unless the API says by it that something is missing which an order names. Throws HetznerError, or
   * PROVIDER_AUTH and PROVIDER_UNAVAILABLE without asking.
   */
  call<T>(request: Request_, schema: z.ZodType<T>): Promise<T | null>
}

interface Request_ {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** A look that is part of a create or a delete: like these it may use the reserve of the rate limit. */
  isPartOfChange?: boolean
  /** With its query, beginning with a slash. */
  path: string
  body?: unknown
  signal?: AbortSignal | undefined
}

export interface ClientOptions {
  world: World
  endpoint: string
  /** Read for every request, so that a new token counts at once. Throws PROVIDER_AUTH when there is none. */
  token(): string
  /** Told of every request with its answer, 0 when none came, and how many more are allowed now. */
  onResponse?: OnResponse | undefined
}

export type OnResponse = (status: number, left: number) => void

/** Longer than a create takes; the API's own gateway gives up before. */
export const REQUEST_MS = 30_000
const ANSWER_BYTES_MAX = 8 * 1024 * 1024
const MESSAGE_CHARS_MAX = 500
/** A refused token is tried again after this, in case it was the project that was repaired. */
const AUTH_PAUSE_MS = 5 * 60_000

export function hetznerClient({ world, endpoint, token, onResponse }: ClientOptions): HetznerClient {
  const budget = createBudget(world.clock)
  let refusal: { token: string; until: number; error: HetznerError } | null = null

  /** One refusal stands for all: fifty nodes do not find out one by one that a token was revoked. */
  function usableToken(): string {
    const present = token()
    const now = world.clock.mono()
    if (refusal === null || refusal.token !== present || refusal.until <= now) return present
    throw new TdfError('PROVIDER_AUTH', refusal.error.message, { retryAfterMs: refusal.until - now })
  }

  return {
    async call(request, schema) {
      const present = usableToken()
      budget.take(request.method === 'GET' && !request.isPartOfChange ? 'look' : 'change')
      const name = `${request.method} ${request.path.replace(/\?.*/, '')}`
      const answer = await effect(world, `hetzner ${name}`, () => send(world, endpoint, present, request, name)).catch(
        error => {
          onResponse?.(0, budget.left())
          throw error
        },
      )
      budget.update(answer.headers)
      if (answer.status === 429) budget.refused()
      onResponse?.(answer.status, budget.left())
      const json = parseJson(answer.text)
      const fault = faultOf(answer, json)
      if (answer.status === 404 && (request.method !== 'POST' || fault.apiCode === null)) return null
      if (answer.status < 400) {
        const parsed = schema.safeParse(json)
        if (parsed.success) return parsed.data
        // Read as if it had not come: what it answers to may have been done.
        const message = 'an answer that does not have the shape of the API'
        throw new HetznerError(name, { status: 502, apiCode: null, message, correlationId: correlationOf(answer) })
      }
      const error = new HetznerError(name, fault)
      if (error.code === 'PROVIDER_AUTH') {
        refusal = { token: present, until: world.clock.mono() + AUTH_PAUSE_MS, error }
      }
      throw error
    },
  }
}

interface Answer {
  status: number
  headers: Headers
  text: string
}

async function send(world: World, endpoint: string, token: string, request: Request_, name: string): Promise<Answer> {
  const timeout = new AbortController()
  const cancel = world.clock.timer(REQUEST_MS, () => timeout.abort(new Error(`nothing within ${REQUEST_MS} ms`)))
  try {
    const response = await world.fetch(`${endpoint.replace(/\/$/, '')}${request.path}`, {
      method: request.method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      redirect: 'error',
      signal: request.signal ? AbortSignal.any([request.signal, timeout.signal]) : timeout.signal,
    })
    const text = await bodyOf(response, ANSWER_BYTES_MAX)
    return { status: response.status, headers: response.headers, text }
  } catch (thrown) {
    request.signal?.throwIfAborted()
    throw new HetznerError(name, {
      status: 0,
      apiCode: null,
      message: fetchFailure(thrown).slice(0, MESSAGE_CHARS_MAX),
      correlationId: null,
    })
  } finally {
    cancel()
  }
}

function faultOf(answer: Answer, json: unknown): ApiFault {
  const { code, message } = Object((json as { error?: unknown } | null)?.error) as Record<string, unknown>
  return {
    status: answer.status,
    apiCode: typeof code === 'string' ? code.slice(0, 100) : null,
    message: (typeof message === 'string' ? message : 'no reason given').slice(0, MESSAGE_CHARS_MAX),
    correlationId: correlationOf(answer),
  }
}

const correlationOf = ({ headers }: Answer) => headers.get('x-correlation-id')

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * The rate limit of a project: 3 600 requests an hour, a bucket that refills by one a second. Once it runs low, looks
 * wait so that creates and deletes still get through, with the looks that belong to them; once it is empty, nothing is
 * sent that would be refused.
 */
export interface Budget {
  /** Counts a request before it is sent. Throws PROVIDER_UNAVAILABLE when it has to wait. */
  take(kind: 'look' | 'change'): void
  /** Takes over what an answer says of the bucket. */
  update(headers: Headers): void
  /** The API refused for too many requests: nothing is sent for a while. */
  refused(): void
  /** What is left of it now. */
  left(): number
}

const LIMIT = 3_600
const REFILL_PER_MS = 1 / 1_000
/** Looks stop below this share of the limit. */
const RESERVE = 0.1
const PAUSE_MS = 15_000

export function createBudget(clock: Clock): Budget {
  let limit = LIMIT
  let remaining = LIMIT
  let at = clock.mono()
  let pausedUntil = 0

  function refill(): void {
    const now = clock.mono()
    remaining = Math.min(limit, remaining + (now - at) * REFILL_PER_MS)
    at = now
  }

  return {
    take(kind) {
      refill()
      const floor = kind === 'look' ? limit * RESERVE : 1
      const waitMs = Math.max((floor - remaining) / REFILL_PER_MS, pausedUntil - at)
      if (waitMs > 0) {
        const message = `the Hetzner API allows ${limit} requests an hour, which are used up`
        const retryAfterMs = Math.min(Math.max(Math.ceil(waitMs), 1_000), 60_000)
        throw new TdfError('PROVIDER_UNAVAILABLE', message, { retryAfterMs })
      }
      remaining -= 1
    },
    update(headers) {
      refill()
      const [max, left] = [Number(headers.get('ratelimit-limit')), Number(headers.get('ratelimit-remaining') ?? NaN)]
      if (max > 0) limit = max
      // Others may use the same project: what it says is right, except that our own requests under way are not in it.
      if (Number.isFinite(left)) remaining = Math.min(remaining, left)
    },
    refused() {
      refill()
      remaining = 0
      pausedUntil = at + PAUSE_MS
    },
    left() {
      refill()
      return Math.floor(remaining)
    },
  }
}
