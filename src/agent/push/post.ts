/** One POST to the daemon. Bounded in time; of the answer only the status matters. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { World } from '../../world.ts'
import type { PushResult } from './rules.ts'

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
    const call = begin(() => request(push.url, { method: 'POST', headers, agent: false }))
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
function begin<T>(act: () => T): T | null {
  try {
    return act()
  } catch {
    return null
  }
}
