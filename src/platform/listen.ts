/**
 * The HTTP listener of daemon and agent: how long a caller may take, how many there may be, and an end that cuts no
 * answer off in the middle. What answers is the caller's.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { TdfError } from '../core/errors.ts'
import type { Clock } from './world.ts'

/** `mode` is that of the socket file. */
export type ListenAddress = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string; mode: number }

export interface ListenOptions {
  clock: Clock
  /** A whole request, headers and body, may take so long, in ms; 0 where long uploads come in. */
  requestTimeoutMs: number
  connectionsMax: number
  /** A connection on which nothing moves for so long is closed, in ms; 0 for never. */
  silenceMs?: number
  /** TLS, for callers that have this key; left out: no TLS. */
  sharedKey?: SharedKey
}

/** Proves both sides to each other, without certificates. */
export interface SharedKey {
  /** Names the key on the wire, in the clear. */
  identity: string
  key: Buffer
}

/**
 * The one cipher, at both ends: it has no certificates (RFC 7905), so a server without the key has nothing to show, and its
 * keys of a session are new ones, so that a key that leaks later opens nothing of before. TLS 1.3 chooses by other rules.
 */
export const SHARED_KEY_TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const

export interface Listener {
  /** As it is announced: HOST:PORT or unix:/path. */
  address: string
  /** The one that the system chose where 0 was asked for; 0 for a unix socket. */
  port: number
  /**
   * Takes no new connection, lets the answers under way go out for at most two seconds, and closes what is left. Streams
   * of events have no end to wait for: they are closed at once, and their readers go on elsewhere.
   */
  stop(): Promise<void>
}

const HEADERS_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 5_000
const STOP_MS_MAX = 2_000
/** A connection is worth its handshake for that many requests; then it makes room for another caller. */
const REQUESTS_MAX = 10_000

/** Throws PORT_TAKEN. */
export async function listen(
  handler: RequestListener,
  address: ListenAddress,
  { clock, requestTimeoutMs, connectionsMax, silenceMs = 0, sharedKey }: ListenOptions,
): Promise<Listener> {
  const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: requestTimeoutMs }
  const idle = { keepAliveTimeout: IDLE_TIMEOUT_MS, connectionsCheckingInterval: IDLE_TIMEOUT_MS }
  const server = sharedKey
    ? createTlsServer({ ...timeouts, ...idle, ...tlsOptions(sharedKey) }, handler)
    : createServer({ ...timeouts, ...idle }, handler)
  server.timeout = silenceMs
  server.maxRequestsPerSocket = REQUESTS_MAX
  const connections = trackConnections(server, connectionsMax)
  const port = await bind(server, address)
  return {
    address: address.kind === 'unix' ? `unix:${address.path}` : `${bracketed(address.host)}:${port}`,
    port,
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      connections.finish()
      const cancel = clock.timer(STOP_MS_MAX, () => server.closeAllConnections())
      await closed
      cancel()
    },
  }
}

function tlsOptions({ identity, key }: SharedKey) {
  const pskCallback = (_: unknown, given: string) => (given === identity ? key : null)
  return { ...SHARED_KEY_TLS, handshakeTimeout: HEADERS_TIMEOUT_MS, pskCallback }
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

async function bind(server: Server | TlsServer, address: ListenAddress): Promise<number> {
  try {
    if (address.kind === 'unix') await clearSocket(address.path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', resolve)
      server.listen(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port })
    })
  } catch (cause) {
    const where = address.kind === 'unix' ? address.path : `${address.host}:${address.port}`
    throw new TdfError('PORT_TAKEN', `cannot listen on ${where}: ${(cause as Error).message}`, { cause })
  }
  if (address.kind === 'unix') chmodSync(address.path, address.mode)
  const bound = server.address()
  return bound !== null && typeof bound === 'object' ? bound.port : 0
}

/** Removes a socket file that a dead process left. Where another process listens, it stays: listen(2) says so itself. */
function clearSocket(path: string): Promise<void> {
  return new Promise(resolve => {
    const probe = connect({ path }, () => probe.destroy())
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true })
    })
    probe.once('close', () => resolve())
  })
}

/**
 * A bound on open connections that keeps no honest caller out: when it is reached, the connection that has been idle
 * longest gives way. Node's own `maxConnections` would refuse the newcomer instead.
 */
function trackConnections(server: Server | TlsServer, max: number): { finish(): void } {
  // Of TLS, by the far end: not proved yet.
  const opening = new Map<string, Socket>()
  // In the order of the last activity.
  const idle = new Set<Socket>()
  const busy = new Map<Socket, ServerResponse>()
  let isStopping = false

  const isTls = server instanceof TlsServer
  if (isTls) server.on('connection', trackOpening(opening, max))
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    opening.delete(farEnd(socket))
    idle.add(socket)
    socket.once('close', () => {
      idle.delete(socket)
      busy.delete(socket)
    })
    if (idle.size + busy.size <= max) return
    const oldest = idle.values().next().value ?? socket
    // Out of the count at once: its `close` comes only later.
    idle.delete(oldest)
    oldest.destroy()
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    idle.delete(socket)
    busy.set(socket, response)
    response.once('close', () => {
      // Of requests that came one behind the other, the last one counts.
      if (busy.get(socket) !== response) return
      busy.delete(socket)
      if (socket.destroyed) return
      if (isStopping) socket.end()
      else idle.add(socket)
    })
  })
  return {
    finish() {
      isStopping = true
      for (const socket of [...opening.values(), ...idle]) socket.destroy()
      for (const [socket, { req }] of busy) if (req.headers.accept === 'text/event-stream') socket.destroy()
    },
  }
}

const farEnd = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

/** A bound of their own for callers that have proved nothing: they close no connection of one that has. */
function trackOpening(opening: Map<string, Socket>, max: number) {
  return (socket: Socket) => {
    const name = farEnd(socket)
    opening.set(name, socket)
    socket.once('close', () => {
      if (opening.get(name) === socket) opening.delete(name)
    })
    const [oldest] = opening.size > max ? opening.values() : []
    oldest?.destroy()
  }
}
