/** What is asked of every request before anything of it is read: no browser behind it, the token, a plain path. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { Refusal } from '../refusal.ts'
import type { Env } from './context.ts'

export function guard(token: string): MiddlewareHandler<Env> {
  const expected = digest(token)
  return async (c, next) => {
    const { headers, url = '', method } = c.env.incoming
    if (headers.origin !== undefined) throw new Refusal('forbidden', 'requests from browsers are not served')
    const path = url.split('?', 1)[0] ?? ''
    const { authorization } = headers
    if (authorization === undefined && path === '/health' && method === 'GET') return c.json({ status: 'healthy' })
    if (!timingSafeEqual(digest(bearerOf(authorization)), expected)) {
      throw new Refusal('unauthorized', 'the bearer token is missing or wrong')
    }
    if (!isPlain(path)) throw new Refusal('not_found', 'there is no such path')
    await next()
  }
}

/** Hashed, so that both sides have one length whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function bearerOf(header: string | undefined): string {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? ''
}

/** The path as it was sent: no escapes, no dot segments. No id of ours needs either. */
function isPlain(path: string): boolean {
  return /^\/[A-Za-z0-9._/-]*$/.test(path) && !path.split('/').some(part => part === '.' || part === '..')
}
