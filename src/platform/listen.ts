/**
 * The HTTP listener of daemon and agent: how long a caller may take, how many there may be, and an end that cuts no
 * answer off in the middle. What answers is the caller's.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
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
}

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
  { clock, requestTimeoutMs, connectionsMax, silenceMs = 0 }: ListenOptions,
): Promise<Listener> {
  const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: requestTimeoutMs }
  const idle = { keepAliveTimeout: IDLE_TIMEOUT_MS, connectionsCheckingInterval: IDLE_TIMEOUT_MS }
  const server = createServer({ ...timeouts, ...idle }, handler)
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

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

async function bind(server: Server, address: ListenAddress): Promise<number> {
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
function trackConnections(server: Server, max: number): { finish(): void } {
  // In the order of the last activity.
  const idle = new Set<Socket>()
  const busy = new Map<Socket, ServerResponse>()
  let isStopping = false

  server.on('connection', socket => {
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
      for (const socket of idle) socket.destroy()
      for (const [socket, { req }] of busy) if (req.headers.accept === 'text/event-stream') socket.destroy()
    },
  }
}
