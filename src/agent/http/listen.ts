/** The HTTP server and its limits. */

import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { sleep, type World } from '../../platform/world.ts'
import type { ListenAddress } from '../arguments.ts'
import { AddressInUse } from '../errors.ts'
import { asRefusal, errorResponse } from './request.ts'

export interface Listener {
  /** As it is announced: HOST:PORT or unix:/path. */
  address: string
  close(): Promise<void>
}

/** No whole-request limit: a bundle may take long. Bodies have their own limits, and silence ends any connection. */
const SERVER_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
}
/** Longer than the longest poll. */
const SILENCE_MS = 120_000
const CONNECTIONS_MAX = 256
const CLOSE_MS = 2_000

type Fetch = (request: Request, env: HttpBindings) => Response | Promise<Response>

export async function listen(world: World, address: ListenAddress, fetch: Fetch): Promise<Listener> {
  const handle = getRequestListener((request, env) => fetch(request, env as HttpBindings), {
    overrideGlobalObjects: false,
    errorHandler: error => errorResponse(asRefusal(error)),
  })
  const server = createServer(SERVER_LIMITS, (incoming, outgoing) => void handle(incoming, outgoing))
  server.maxConnections = CONNECTIONS_MAX
  server.timeout = SILENCE_MS
  if (address.kind === 'unix') await clearSocket(address.path)
  await bind(server, address)
  if (address.kind === 'unix') chmodSync(address.path, address.mode)
  return { address: addressOf(server, address), close: () => close(world, server, address) }
}

/** For this request and no other: the next one on the connection has the server's limit again. */
export function allowSilence(incoming: IncomingMessage, ms: number): void {
  incoming.socket.setTimeout(ms)
}

function bind(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new AddressInUse(`${error.message}`) : error)
    })
    server.listen(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
      resolve,
    )
  })
}

/** A socket file that nobody listens on is what an agent left that died; one with a listener is somebody's. */
function clearSocket(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      reject(new AddressInUse(`something listens on ${path}`))
    })
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true })
      resolve()
    })
  })
}

function addressOf(server: Server, wanted: ListenAddress): string {
  if (wanted.kind === 'unix') return `unix:${wanted.path}`
  const bound = server.address()
  const port = bound !== null && typeof bound === 'object' ? bound.port : wanted.port
  return wanted.host.includes(':') ? `[${wanted.host}]:${port}` : `${wanted.host}:${port}`
}

/** Requests that are being answered get a moment; who asks slowly is cut off. */
async function close(world: World, server: Server, address: ListenAddress): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const timeUp = new AbortController()
  const forced = sleep(world.clock, CLOSE_MS, timeUp.signal).then(
    () => server.closeAllConnections(),
    () => {},
  )
  await Promise.race([closed, forced])
  timeUp.abort()
  if (address.kind === 'unix') rmSync(address.path, { force: true })
}
