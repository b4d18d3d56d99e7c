/** One HTTP exchange over a unix socket or TCP, bounded in time and size. `fetch` cannot dial a socket and loads slowly. */
import { createReadStream } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TdfError } from '../core/errors.ts'
import type { AgentAddress } from '../core/node.ts'
import { streamInto } from '../platform/files.ts'
import { type Cancel, realWorld } from '../platform/world.ts'
import { openRoom } from './growing-buffer.ts'

export interface Exchange {
  method: string
  /** With its query, beginning with a slash. */
  path: string
  headers: Record<string, string>
  body?: string
  /** Sends this file as the body, or stores the answer's body in it. */
  upload?: string
  download?: string
  /**
   * Until the whole answer is there, however it trickles in. With a file either way, it is how long the connection may be
   * silent, and a stream that has begun must move by a kilobyte a second.
   */
  timeoutMs: number
  bytesMax: number
  signal?: AbortSignal
}

export interface Answer {
  status: number
  headers: Record<string, string>
  /** Empty when the body went into a file. */
  body: Buffer
}

/** Throws UNREACHABLE_* errors of the network as they are; the caller knows what it was talking to. */
export type Transport = (exchange: Exchange) => Promise<Answer>

/** A connection to an agent: transport and token. Which agent answers is checked by the caller. */
export interface AgentLine {
  transport: Transport
  token: string
  /** What the node has to call to reach us by this way; without it the daemon's own url. */
  callbackUrl?: string
}

export function httpTransport(address: AgentAddress): Transport {
  const url = 'url' in address ? new URL(address.url) : null
  const isTls = url?.protocol === 'https:'
  const agent = new (isTls ? https.Agent : http.Agent)({ keepAlive: true, maxSockets: 32, timeout: 60_000 })
  const target =
    'socket' in address
      ? { socketPath: address.socket }
      : { host: url?.hostname.replace(/^\[|\]$/g, ''), port: url?.port || (isTls ? 443 : 80) }
  const prefix = url ? url.pathname.replace(/\/$/, '') : ''

  return exchange =>
    new Promise((resolve, reject) => {
      const { method, path, headers, signal } = exchange
      const request = (isTls ? https : http).request({
        ...target,
        agent,
        method,
        path: prefix + path,
        headers: { host: url?.host ?? 'localhost', ...headers },
        timeout: exchange.timeoutMs,
        ...(signal ? { signal } : {}),
      })
      // Fires after silence of the socket, so that a long stream that moves is not cut.
      request.on('timeout', () => request.destroy(new Error(`no answer within ${exchange.timeoutMs} ms`)))
      const watched = watch(request, exchange)
      request.on('error', error => {
        watched.end()
        reject(error)
      })
      request.on('response', response => {
        watched.begun()
        receive(response, exchange)
          .then(resolve, error => {
            request.destroy()
            reject(error)
          })
          .finally(watched.end)
      })
      send(request, exchange).catch(error => request.destroy(error))
    })
}

const WINDOW_MS = 60_000
const WINDOW_BYTES_MIN = 60_000

/** Ends a request whose peer keeps it open by a byte now and then. It waits for its socket as long as others need theirs. */
function watch(request: http.ClientRequest, { timeoutMs, upload, download }: Exchange) {
  const { clock } = realWorld({})
  let cancel: Cancel = () => {}
  const giveUp = (why: string) => request.destroy(new Error(why))
  const bytesMoved = () => (request.socket?.bytesRead ?? 0) + (request.socket?.bytesWritten ?? 0)
  const look = (before: number) => {
    cancel = clock.timer(WINDOW_MS, () => {
      const now = bytesMoved()
      if (now - before < WINDOW_BYTES_MIN) giveUp(`less than a kilobyte a second for ${WINDOW_MS} ms`)
      else look(now)
    })
  }
  const isStream = upload !== undefined || download !== undefined
  request.once('socket', () => {
    if (!isStream) cancel = clock.timer(timeoutMs, () => giveUp(`no answer within ${timeoutMs} ms`))
  })
  return {
    begun() {
      if (download !== undefined) look(bytesMoved())
    },
    end: () => cancel(),
  }
}

async function send(request: http.ClientRequest, { body, upload }: Exchange): Promise<void> {
  if (upload === undefined) return void request.end(body)
  await pipeline(createReadStream(upload), request)
}

async function receive(response: http.IncomingMessage, { download, bytesMax }: Exchange): Promise<Answer> {
  const status = response.statusCode ?? 0
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
  if (download !== undefined && status === 200) {
    await pipeline(response, bounded(bytesMax), await streamInto(download))
    return { status, headers, body: Buffer.alloc(0) }
  }
  const length = Number(headers['content-length'] ?? Number.NaN)
  const body = openRoom(length <= bytesMax ? length : undefined)
  for await (const chunk of bounded(bytesMax)(response)) body.add(chunk)
  return { status, headers, body: body.take() }
}

/** Passes a stream on and ends it with TOO_LARGE beyond `bytesMax`. */
function bounded(bytesMax: number) {
  return async function* (source: Readable): AsyncGenerator<Buffer> {
    let bytes = 0
    for await (const chunk of source) {
      // Streams without an encoding give buffers.
      const buffer = chunk as Buffer
      bytes += buffer.length
      if (bytes > bytesMax) throw new TdfError('TOO_LARGE', `an answer of more than ${bytesMax} bytes`)
      yield buffer
    }
  }
}
