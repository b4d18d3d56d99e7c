/**
 * What every listener refuses before it looks at a request (browsers, foreign hosts, other bodies), and its error
 * answers.
 */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { asTdfError, ERRORS, TdfError } from '../../src/core/errors.ts'
import type { Log } from '../../src/platform/log.ts'
import { API_LEVEL, VERSION } from '../../src/platform/version.ts'
import type { ErrorJson } from '../../src/protocol/control.ts'
import { BODY_BYTES_MAX } from '../../src/protocol/shapes.ts'
import type { Engine } from '../services.ts'

/** Headers that only a browser sends. Requests of web pages are refused, of their own origin too. */
const BROWSER_HEADERS = ['origin', 'sec-fetch-site', 'referer']

/** An app that refuses what `guard` does and answers errors as JSON; `first` comes before all that. */
export function guardedApp(log: Log, hosts: () => readonly string[], first?: MiddlewareHandler): Hono {
  const app = new Hono()
  if (first) app.use(first)
  app.use(guard(hosts))
  app.onError((error, c) => answerError(log, error, c))
  app.notFound(c => answerError(log, new TdfError('NOT_FOUND', `there is nothing at ${c.req.path}`), c))
  return app
}

/** What the command line compares in every answer. */
export const VERSION_HEADERS = { 'x-tdf-api': API_LEVEL, 'x-tdf-version': VERSION }

/** For the control socket. */
export function controlSocketApp(log: Log): Hono {
  return guardedApp(
    log,
    () => ['tdf'],
    async (c, next) => {
      await next()
      for (const [name, value] of Object.entries(VERSION_HEADERS)) c.header(name, value)
    },
  )
}

/** `hosts` are names beyond loopback by which this listener may be called, without ports. */
export function guard(hosts: () => readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    for (const header of BROWSER_HEADERS) {
      if (c.req.header(header) !== undefined) {
        throw new TdfError('FORBIDDEN', `a request with the header "${header}" is not answered`)
      }
    }
    const host = c.req.header('host')
    if (host === undefined || !isAllowedHost(host, hosts())) {
      throw new TdfError('FORBIDDEN', `the host "${host ?? ''}" is not one of ours; see [callbacks] url`)
    }
    await next()
    // `c.header` would make the answer anew, and by the slow way.
    c.res.headers.set('x-content-type-options', 'nosniff')
    c.res.headers.set('cache-control', 'no-store')
  }
}

/** What a handler says is done or known is durable before it is answered; what is only shown need not be. */
export function durableAnswers({ store }: Pick<Engine, 'store'>): MiddlewareHandler {
  return async (c, next) => {
    await next()
    if (c.req.method !== 'GET') await store.durable()
  }
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

export function isAllowedHost(host: string, more: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '')
  return LOOPBACK.test(name) || more.includes(name)
}

/** Throws DISK_LOW when what is sent would have no room. */
export function assertRoom({ admission }: Pick<Engine, 'admission'>): void {
  const full = admission.reasonOf('disk')
  if (full !== null) throw new TdfError('DISK_LOW', full, { retryAfterMs: 30_000 })
}

/** The body as JSON. Throws UNSUPPORTED_MEDIA, TOO_LARGE or BAD_REQUEST. */
export async function jsonBody(c: Context, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new TdfError('UNSUPPORTED_MEDIA', `the content type is "${type}"; it must be application/json`)
  }
  const text = new TextDecoder('utf-8', { fatal: false }).decode(await readBody(c, bytesMax))
  try {
    return JSON.parse(text)
  } catch {
    throw new TdfError('BAD_REQUEST', 'body: it is not JSON', { field: 'body' })
  }
}

async function readBody(c: Context, bytesMax: number): Promise<Uint8Array> {
  const announced = Number(c.req.header('content-length') ?? 0)
  const tooLarge = new TdfError('TOO_LARGE', `a body may have ${bytesMax} bytes`)
  if (announced > bytesMax) throw tooLarge
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw tooLarge
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Answers an error as JSON, with the status that its code has. */
export function answerError(log: Log, thrown: Error, c: Context): Response {
  const error = asTdfError(thrown)
  const { status } = ERRORS[error.code]
  if (error.code === 'BUG') log.error({ path: c.req.path, err: error.stack }, 'a request failed')
  if (error.retryAfterMs !== undefined) c.header('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
  const body: ErrorJson = {
    error: {
      code: error.code,
      message: error.message,
      hint: error.hint,
      ...(error.field === undefined ? {} : { field: error.field }),
    },
  }
  return c.json(body, status as ContentfulStatusCode)
}

/** A query parameter as a property, or nothing. Throws BAD_REQUEST. */
export function numberOf<Name extends string>(c: Context, field: string, name: Name): { [K in Name]?: number } {
  const text = c.req.query(field)
  if (text === undefined) return {}
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 0) return { [name]: number } as { [K in Name]?: number }
  throw new TdfError('BAD_REQUEST', `${field}: it must be a whole number`, { field })
}
