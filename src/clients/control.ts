/**
 * The CLI's way to the daemon: HTTP over its unix socket. On the fast path of every command, so it imports node:http
 * and little else. A daemon that cannot be reached gets one of four errors, each with its own remedy.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import http from 'node:http'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ERRORS, type ErrorCode, isErrorCode, TdfError } from '../core/errors.ts'
import { API_LEVEL, VERSION } from '../platform/version.ts'
import { realWorld, sleep } from '../platform/world.ts'
import type { ErrorJson } from '../protocol/control.ts'

export interface Request {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  json?: unknown
  headers?: Record<string, string>
  /** Sends this file, or stores the answer in it. */
  upload?: string
  download?: string
  /** Sends what comes out of it, as it comes. */
  body?: Readable
  signal?: AbortSignal
  /** Also to a daemon of another API level: for what every level has, as who it is and its end. */
  anyLevel?: boolean
  /** Silence of the daemon after which it counts as unreachable, in ms. */
  timeoutMs?: number
}

export interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
}

export interface Client {
  socket: string
  /** Who said that it is there. */
  origin: string
  /** The parsed answer. Throws the daemon's error as it was meant. */
  call<T>(request: Request): Promise<T>
  /** The answer as it came; still throws on errors. */
  raw(request: Request): Promise<Reply>
  /** The body as it comes, for streams that have no end. */
  stream(request: Request): Promise<http.IncomingMessage>
}

const TIMEOUT_MS = 30_000
/** How long a service that is installed and does not listen is waited for. */
const STARTS_MS = 8_000
const STARTS_LOOK_MS = 200
const REPLY_BYTES_MAX = 512 * 1024 * 1024
/** So daemons of every version say of a path that they do not know. */
const NO_ROUTE = 'there is nothing at '
/** And to what names an attempt, which it takes for the id of a task; one that knows attempts never says so. */
const NO_ATTEMPTS = /^there is no task ".+@\d{1,6}"$/

export interface Whereabouts {
  socket: string
  /** Who said that it is there, for people who look in the wrong place. */
  origin?: string
  /** The unit of systemd that brings the daemon: while nobody listens it may be on its way, and is waited for. */
  service?: string
  /** Called once when that is so. */
  onWait?(): void
  /** Called when nobody listens at the first request; true when a daemon was started, so that the request is sent again. */
  onAbsent?(): Promise<boolean>
  /** Told the version of the daemon with the first answer, when it is another than ours. */
  onOtherVersion?(version: string): void
  /** Called with each request as it goes out; returns the callback for its status, or for what came instead of an answer. */
  onRequest?(method: string, path: string): (outcome: string) => void
}

export function controlClient(where: Whereabouts): Client {
  const { socket } = where
  let isKnown = false

  /** An answer of another API level could be misread: better none than a wrong one. Throws VERSION_SKEW. */
  function checkVersion(headers: http.IncomingHttpHeaders, anyLevel: boolean): void {
    const { 'x-tdf-api': level, 'x-tdf-version': version = 'unknown' } = headers
    if (level !== API_LEVEL && !anyLevel) {
      const theirs = `version ${version}, API level ${level ?? 'unknown'}`
      const ours = `${VERSION}, API level ${API_LEVEL}`
      const message = `the daemon at ${socket} (${theirs}) speaks another language than this tdf (${ours})`
      throw new TdfError('VERSION_SKEW', message)
    }
    if (!isKnown && version !== VERSION) where.onOtherVersion?.(String(version))
    isKnown = true
  }

  const send = (request: Request) => (isKnown ? sendOnce(request) : sendFirst(where, request, sendOnce))

  async function sendOnce(request: Request): Promise<http.IncomingMessage> {
    const { method = 'GET', path, json, headers = {}, upload, signal } = request
    const body = json === undefined ? undefined : JSON.stringify(json)
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const timeout = request.timeoutMs ?? TIMEOUT_MS
    const onAnswer = where.onRequest?.(method, path)
    const sent = http.request({
      method,
      path: `/v1${path}`,
      headers: { host: 'tdf', ...type, ...headers },
      timeout,
      // Our own way in: an agent would first compile its test of an IPv6 address, 3 of the 25 ms of `tdf ls`.
      createConnection: () => connect({ path: socket, timeout }),
      ...(signal ? { signal } : {}),
    })
    const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
      sent.on('response', response => {
        onAnswer?.(String(response.statusCode))
        resolve(response)
      })
      sent.on('error', error => onAnswer?.(error.message))
      sent.on('error', error => reject(signal?.aborted ? signal.reason : unreachable(where, error)))
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeout} ms`)))
    })
    const source = upload === undefined ? request.body : createReadStream(upload)
    if (source === undefined) sent.end(body)
    else pipeline(source, sent).catch(error => sent.destroy(error))
    const response = await answer
    checkVersion(response.headers, request.anyLevel ?? false)
    if ((response.statusCode ?? 500) < 400) return response
    throw refusal(where, await collect(response))
  }

  async function raw(request: Request): Promise<Reply> {
    const response = await send(request)
    const { statusCode: status = 500, headers } = response
    if (request.download === undefined || status !== 200) return { status, headers, body: await collect(response) }
    await pipeline(response, createWriteStream(request.download, { mode: 0o600 }))
    return { status, headers, body: Buffer.alloc(0) }
  }

  return {
    socket,
    origin: where.origin ?? 'the caller',
    raw,
    stream: send,
    // The shapes are those of src/protocol/control.ts, made by the daemon of the same version or warned about.
    call: async <T>(request: Request) => JSON.parse((await raw(request)).body.toString('utf8')) as T,
  }
}

async function collect(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > REPLY_BYTES_MAX) throw new TdfError('TOO_LARGE', `the daemon sent more than ${REPLY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The daemon is away for a while, as for a restart or a takeover; what was asked for may be asked again. */
export function isAway(thrown: unknown): boolean {
  return thrown instanceof TdfError && ['DAEMON_UNREACHABLE', 'DAEMON_STOPPING', 'TAKEOVER'].includes(thrown.code)
}

/** What this tdf asks for, each daemon of its own version has. */
function refusal({ socket }: Whereabouts, body: Buffer): TdfError {
  const { error } = readError(body)
  const isLacking = error.message.startsWith(NO_ROUTE) || NO_ATTEMPTS.test(error.message)
  if (error.code === 'NOT_FOUND' && isLacking) {
    const message = `the daemon at ${socket} was started by an older tdf than this one (${VERSION}): ${error.message}`
    return new TdfError('VERSION_SKEW', message, { hint: 'tdf daemon restart' })
  }
  const code: ErrorCode = isErrorCode(error.code) ? error.code : 'BUG'
  return new TdfError(code, error.message, {
    hint: error.hint || ERRORS[code].hint,
    ...(error.field === undefined ? {} : { field: error.field }),
  })
}

function readError(body: Buffer): ErrorJson {
  try {
    const parsed = JSON.parse(body.toString('utf8'))
    if (typeof parsed?.error?.message === 'string') return parsed
  } catch {
    // Not ours to explain: shown as it is.
  }
  const message = `the daemon gave an answer that this tdf does not understand: ${body.toString('utf8').slice(0, 200)}`
  return { error: { code: 'BUG', message, hint: 'tdf version' } }
}

/** The first request waits for a daemon that is on its way, or is sent again when one was started for it. */
async function sendFirst<T>(where: Whereabouts, request: Request, send: (request: Request) => Promise<T>): Promise<T> {
  try {
    return await (where.service === undefined ? send(request) : whenStarted(where, request, send))
  } catch (thrown) {
    if (!isNoDaemon(thrown) || !(await where.onAbsent?.())) throw thrown
    return send(request)
  }
}

/** Sends it as soon as somebody listens. */
async function whenStarted<T>(
  where: Whereabouts,
  request: Request,
  send: (request: Request) => Promise<T>,
): Promise<T> {
  const { clock } = realWorld()
  const until = clock.mono() + STARTS_MS
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await send(request)
    } catch (thrown) {
      if (!isNoDaemon(thrown) || clock.mono() >= until) throw thrown
      if (isFirst) where.onWait?.()
      await sleep(clock, STARTS_LOOK_MS, request.signal)
    }
  }
}

/** Nobody listens: what a daemon that starts looks like from outside. */
export function isNoDaemon(thrown: unknown): boolean {
  const { cause } = thrown instanceof TdfError ? thrown : {}
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED')
}

/** Four causes, four remedies: not started, crashed, not ours to open, and too slow. */
function unreachable({ socket, origin, service }: Whereabouts, error: NodeJS.ErrnoException): TdfError {
  const details = { cause: error }
  const from = origin ? ` (from ${origin})` : ''
  if (service !== undefined && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')) {
    const message = `the daemon of this machine is a service, ${service}, and does not answer at ${socket} yet`
    return new TdfError('DAEMON_UNREACHABLE', message, { ...details, hint: `systemctl status ${service}` })
  }
  if (error.code === 'ENOENT') {
    return new TdfError('DAEMON_UNREACHABLE', `no daemon is running: there is no socket ${socket}${from}`, details)
  }
  if (error.code === 'ECONNREFUSED') {
    const message = `no daemon is running: nobody listens at ${socket}${from}; it was left by one that ended`
    return new TdfError('DAEMON_UNREACHABLE', message, details)
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const message = `you may not open ${socket}${from}; after joining its group, log in again`
    return new TdfError('FORBIDDEN', message, { ...details, hint: 'sudo usermod -aG tdf "$USER"' })
  }
  const message = `the daemon at ${socket}${from} did not answer: ${error.message}`
  return new TdfError('DAEMON_UNREACHABLE', message, { ...details, hint: 'tdf doctor' })
}
