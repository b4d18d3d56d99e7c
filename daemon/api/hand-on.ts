/**
 * What a daemon that stands by does with a request: it asks the one that serves, and passes on what that answers. Uploads,
 * downloads and streams of events pass through as they come. While a takeover is under way a request waits for it a little,
 * since nothing of it was sent yet; what was sent once is never sent again.
 */
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { connect, type TLSSocket } from 'node:tls'
import { ERRORS, TdfError } from '../../src/core/errors.ts'
import { SHARED_KEY_TLS, type SharedKey } from '../../src/platform/listen.ts'
import { type Cancel, type Clock, sleep } from '../../src/platform/world.ts'
import type { ErrorJson } from '../../src/protocol/control.ts'
import { VERSION_HEADERS } from './guard.ts'

export interface Serving {
  host: string
  port: number
}

export interface HandOnParts {
  clock: Clock
  sharedKey: SharedKey
  /** The daemon that serves, as the database has it; null while none does, or while it is not known. */
  serving(): Serving | null
  /** Since when (Unix ms) the database tells this daemon nothing, and why; null while it does. */
  outage(): { since: number; error: string } | null
}

/** A dial with its handshake, in ms. */
const DIAL_MS = 2_000
/** A takeover takes less; what takes longer is worth an answer. */
const WAIT_MS = 5_000
const LOOK_MS = 100
/** From the question to the end of its answer: whether the daemon that was asked still serves, in ms. */
const WATCH_MS = 1_000
/** The answer of a daemon that stands by to another one: it did nothing. */
const STANDBY_HEADER = 'x-tdf-standby'
const UNDER_WAY = 'its takeover is under way'
const OF_A_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'proxy-connection']

/** Answers each request with what the serving daemon answers, or with TAKEOVER (503). */
export function handOn(parts: HandOnParts): RequestListener {
  return (request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    passOn(parts, request, response, gone.signal).catch(error => {
      if (response.headersSent) response.destroy()
      else
        refuse(response, `the daemon that serves went away in the middle of a request: ${error.message}; ${UNDER_WAY}`)
    })
  }
}

/** For the port to which other daemons hand on, while this one does not serve either. */
export const standsBy: RequestListener = (request, response) => {
  request.resume()
  refuse(response, `this daemon stands by; ${UNDER_WAY}`, { [STANDBY_HEADER]: '1' })
}

async function passOn(
  parts: HandOnParts,
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const { clock } = parts
  const until = clock.mono() + waitMs(parts)
  while (!gone.aborted) {
    const to = parts.serving()
    const line = to && (await dial(parts, to).catch(() => null))
    if (line) {
      const unwatch = watch(parts, to, line)
      try {
        const answer = await send(line, request, gone)
        const isStandby = answer.headers[STANDBY_HEADER] !== undefined
        if (!isStandby || hasBody(request)) return await give(answer, response)
        answer.destroy()
      } finally {
        unwatch()
      }
    }
    if (clock.mono() >= until) return refuse(response, noneServes(parts))
    await sleep(clock, LOOK_MS, gone).catch(() => {})
  }
}

const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** Resolves once both sides have shown that they have the key. */
function dial({ sharedKey, clock }: HandOnParts, { host, port }: Serving): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { identity, key } = sharedKey
    const socket = connect({
      ...SHARED_KEY_TLS,
      host,
      port,
      pskCallback: () => ({ identity, psk: key }),
      // Who has the key is who we mean: there is no certificate with a name in it.
      checkServerIdentity: () => undefined,
    })
    const cancel = clock.timer(DIAL_MS, () => socket.destroy(new Error(`no connection within ${DIAL_MS} ms`)))
    socket.once('error', reject)
    socket.once('close', cancel)
    socket.once('secureConnect', () => {
      cancel()
      socket.setKeepAlive(true, WATCH_MS)
      resolve(socket)
    })
  })
}

function send(line: TLSSocket, request: IncomingMessage, gone: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', url = '/', headers } = request
    const onward = http.request({ method, path: url, headers: passed(headers), createConnection: () => line })
    gone.addEventListener('abort', () => onward.destroy(), { once: true })
    onward.once('response', resolve)
    onward.on('error', reject)
    // An answer may come before the end of what was asked, as that it is too large.
    pipeline(request, onward).catch(() => {})
  })
}

async function give(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, passed(answer.headers))
  // A stream of events is open before the first one comes.
  response.flushHeaders()
  await pipeline(answer, response)
}

/** Ends the connection to a daemon when another one serves: its machine may have lost its power, and then nothing else would. */
function watch({ clock, serving }: HandOnParts, to: Serving, line: TLSSocket): Cancel {
  let cancel: Cancel = () => {}
  const look = () => {
    const now = serving()
    const isOther = now !== null && (now.host !== to.host || now.port !== to.port)
    if (isOther) line.destroy(new Error('another one serves'))
    else cancel = clock.timer(WATCH_MS, look)
  }
  cancel = clock.timer(WATCH_MS, look)
  return () => cancel()
}

function passed(headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_A_CONNECTION.includes(name)))
}

/** What a database was away for already is not waited for again. */
function waitMs({ outage, clock }: HandOnParts): number {
  const away = outage()
  return away === null ? WAIT_MS : Math.max(0, WAIT_MS - (clock.now() - away.since))
}

function noneServes({ outage }: HandOnParts): string {
  const away = outage()
  return away === null ? `no daemon serves now; ${UNDER_WAY}` : `no daemon serves now: the database ${awayText(away)}`
}

/** For people, after "the database". */
export const awayText = ({ since, error }: { since: number; error: string }) =>
  `has not answered since ${new Date(since).toISOString()}: ${error}`

function refuse(response: ServerResponse, why: string, more: http.OutgoingHttpHeaders = {}): void {
  const { code, message, hint } = new TdfError('TAKEOVER', why)
  const body = JSON.stringify({ error: { code, message, hint } } satisfies ErrorJson)
  response.writeHead(ERRORS[code].status, {
    'content-type': 'application/json',
    'retry-after': '1',
    ...VERSION_HEADERS,
    ...more,
  })
  response.end(body)
}
