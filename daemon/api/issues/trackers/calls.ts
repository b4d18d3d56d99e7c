/** How the trackers behind HTTP are asked: reads that know what they have read, and writes. GitHub is asked by gh. */

import { bodyOf, fetchFailure } from '../../../../src/clients/outward.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import { answerOf, type Cache, type callForge, createReader, type Reader } from '../../../results/push/watch/gh.ts'
import { parsedJson, unavailable } from '../../../results/push/watch/view.ts'
import type { Asking } from './tracker.ts'

const CALL_TIMEOUT_MS = 60_000
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

export interface Calls {
  reader(known: Cache): Reader
  /** Answers its JSON, null where there is none. Throws FORGE_UNAVAILABLE, or FORBIDDEN where that is the tracker's last word. */
  send(path: string, body: object | null, method?: 'DELETE' | 'PUT'): Promise<unknown>
}

export function callsOf({ token, signal, allowance, now }: Asking, host: string, call: typeof callForge): Calls {
  const about = { host, token, signal }
  return {
    reader: known => createReader(about, known, allowance, now, call),
    async send(path, body, method) {
      const sent = { ...(body === null ? {} : { input: JSON.stringify(body) }), ...(method ? { method } : {}) }
      const answer = await call({ ...about, path, ...sent }, allowance, now)
      if (answer.kind === 'no') throw new TdfError('FORBIDDEN', answer.why)
      return answer.kind === 'same' || answer.body.trim() === '' ? null : parsedJson(answer.body, host)
    },
  }
}

/** Of a tracker that is asked by HTTP itself; `authorization` is a header of its own. */
export const callsByHttp = (asking: Asking, base: string, authorization: Record<string, string>): Calls =>
  callsOf(asking, new URL(base).host, httpCall(asking.fetch, base, authorization))

/** Asks as gh does. */
export function httpCall(
  fetch: Asking['fetch'],
  base: string,
  authorization: Record<string, string>,
): typeof callForge {
  return async ({ host, path, etag, input, method, signal }, allowance, now) => {
    const restMs = allowance.restMs(host, now())
    if (restMs > 0) throw unavailable(`${host} takes no more requests for now`, restMs)
    const known: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag }
    const typed: Record<string, string> = input === undefined ? {} : { 'content-type': 'application/json' }
    const reply = await answered(fetch, `${base.replace(/\/+$/, '')}/${path}`, {
      method: method ?? (input === undefined ? 'GET' : 'POST'),
      headers: { accept: 'application/json', ...authorization, ...known, ...typed },
      ...(input === undefined ? {} : { body: input }),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
    })
    return answerOf(reply, { host, path, said: '', isWhole: true }, allowance, now)
  }
}

async function answered(fetch: Asking['fetch'], url: string, init: RequestInit) {
  try {
    const response = await fetch(url, init)
    const body = await bodyOf(response, ANSWER_BYTES_MAX)
    return { status: response.status, headers: new Map(response.headers), body }
  } catch (thrown) {
    throw unavailable(`${new URL(url).host} was not reached: ${fetchFailure(thrown)}`)
  }
}

/** Pages of a list until one is not full; `per` of a page. */
export async function pages<T>(most: number, per: number, read: (page: number) => Promise<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for (let page = 1; page <= most; page++) {
    const found = await read(page)
    all.push(...found)
    if (found.length < per) break
  }
  return all
}
