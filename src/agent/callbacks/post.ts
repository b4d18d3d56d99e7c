/** One POST to the daemon, bounded in time, and the pure rule for when it is repeated. Only the status of the answer counts. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { backoffMs } from '../../core/backoff.ts'
import type { World } from '../../platform/world.ts'

export interface Push {
  url: string
  token: string
  body: unknown
}

const PUSH_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024

/** Never throws. */
export function post(world: World, push: Push, signal: AbortSignal): Promise<PushResult> {
  return new Promise(resolve => {
    const body = Buffer.from(JSON.stringify(push.body))
    const request = push.url.startsWith('https:') ? httpsRequest : httpRequest
    const headers = {
      authorization: `Bearer ${push.token}`,
      'content-type': 'application/json',
      'content-length': body.length,
    }
    const call = orNull(() => request(push.url, { method: 'POST', headers, agent: false }))
    if (!call) return resolve({ kind: 'failed', reason: 'the callback url cannot be used' })
    const stop = () => void call.destroy(new Error('given up'))
    const cancel = world.clock.timer(PUSH_MS, () => call.destroy(new Error(`no answer within ${PUSH_MS} ms`)))
    signal.addEventListener('abort', stop, { once: true })
    call.once('response', response => {
      resolve({ kind: 'answered', status: response.statusCode ?? 0 })
      let size = 0
      response.on('error', () => {})
      response.on('data', chunk => {
        size += chunk.length
        if (size > ANSWER_BYTES_MAX) call.destroy()
      })
    })
    call.on('error', error => resolve({ kind: 'failed', reason: error.message }))
    call.once('close', () => {
      cancel()
      signal.removeEventListener('abort', stop)
      resolve({ kind: 'failed', reason: 'the connection was closed' })
    })
    call.end(body)
    if (signal.aborted) stop()
  })
}

/** Node throws on urls and header values that it cannot send. */
function orNull<T>(act: () => T): T | null {
  try {
    return act()
  } catch {
    return null
  }
}

export type PushResult =
  | { kind: 'answered'; status: number }
  /** No HTTP answer: connection refused or reset, time-out, or bytes that are not HTTP. */
  | { kind: 'failed'; reason: string }

export type Verdict = { kind: 'done' } | { kind: 'final'; status: number } | { kind: 'again'; afterMs: number }

/** Spread by a quarter: nodes that lost the same daemon do not retry in the same moment. */
const BACKOFF = { baseMs: 1_000, maxMs: 30_000, spread: 0.25 }
const FINAL = new Set([400, 413, 415])
const REFUSED = new Set([401, 403, 404])
/** A daemon that was set up anew may yet issue the token; after this the event waits for the pull. */
const REFUSED_MS = 60 * 60_000

/** `tries` so far, this one included; `refusedForMs` since the first 401, 403 or 404 of this event. */
export function judge(result: PushResult, tries: number, refusedForMs: number, jitter: number): Verdict {
  if (result.kind === 'answered') {
    const { status } = result
    if (status >= 200 && status < 300) return { kind: 'done' }
    if (FINAL.has(status)) return { kind: 'final', status }
    if (REFUSED.has(status) && refusedForMs >= REFUSED_MS) return { kind: 'final', status }
  }
  return { kind: 'again', afterMs: backoffMs(tries, { ...BACKOFF, jitter }) }
}

export function isRefusal(result: PushResult): boolean {
  return result.kind === 'answered' && REFUSED.has(result.status)
}
