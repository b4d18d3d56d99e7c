/**
 * A daemon that stands by, asked through its own socket: the one that serves answers, over TLS with the key that both have.
 * What serves here is a small model of the control API.
 */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect } from 'node:tls'
import { afterEach, expect, it } from 'vitest'
import { handOn, type Serving, standsBy } from '../../../../daemon/api/hand-on.ts'
import { controlClient } from '../../../../src/clients/control.ts'
import { type Listener, listen, SHARED_KEY_TLS } from '../../../../src/platform/listen.ts'
import { API_LEVEL } from '../../../../src/platform/version.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { makeKey } from '../../../../src/store/ledger/key.ts'

const { clock, random } = realWorld({})
const LIMITS = { clock, requestTimeoutMs: 0, connectionsMax: 8 }
const ANY_PORT = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
const undo: (() => unknown)[] = []

afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act()
})

function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-hand-on-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const sharedKeyIn = (folder: string, name = 'key') => makeKey(path.join(folder, name), random).shared

async function opened(listener: Promise<Listener>): Promise<Listener> {
  const there = await listener
  undo.push(() => there.stop())
  return there
}

interface Scene {
  folder: string
  socket: string
  /** Who serves now, as the standby believes. */
  serving: Serving | null
  /** What it says of a database that does not answer. */
  outage: { since: number; error: string } | null
  /** A port that answers as `handler` does, to who has the key. */
  serve(handler: RequestListener): Promise<Serving>
}

/** Of a clock that is `hurried`, each look is a second after the one before: a wait is over after a few. */
async function scene(options: { hurried?: boolean; standbyKey?: string } = {}): Promise<Scene> {
  const folder = makeFolder()
  let looks = 0
  const sharedKey = sharedKeyIn(folder)
  const made: Scene = {
    folder,
    socket: path.join(folder, 'tdf.sock'),
    serving: null,
    outage: null,
    async serve(handler) {
      const { port } = await opened(listen(handler, ANY_PORT, { ...LIMITS, sharedKey }))
      return { host: '127.0.0.1', port }
    },
  }
  const mono = () => {
    looks += 1
    return looks * 1_000
  }
  const parts = {
    clock: options.hurried ? { ...clock, mono } : clock,
    sharedKey: sharedKeyIn(folder, options.standbyKey),
  }
  const handler = handOn({ ...parts, serving: () => made.serving, outage: () => made.outage })
  await opened(listen(handler, { kind: 'unix', path: made.socket, mode: 0o600 }, LIMITS))
  return made
}

function answer(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'x-tdf-api': API_LEVEL, 'content-type': 'application/json', ...headers })
  response.end(body)
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Answers what it was asked. */
const echo: RequestListener = async (request, response) => {
  const body = (await read(request)).toString('latin1')
  const { method, url, headers } = request
  answer(response, 200, JSON.stringify({ method, url, host: headers.host, body }))
}

it('answers as the daemon that serves does: method, path, query, body, host and errors', async () => {
  const standby = await scene()
  standby.serving = await standby.serve((request, response) =>
    request.url === '/v1/tasks/none'
      ? answer(response, 404, '{"error":{"code":"NOT_FOUND","message":"there is no task none","hint":"tdf ls"}}')
      : echo(request, response),
  )
  const client = controlClient({ socket: standby.socket })
  const json = { prompt: 'naïve' }
  expect(await client.call({ method: 'POST', path: '/tasks?n=1', json })).toEqual({
    method: 'POST',
    url: '/v1/tasks?n=1',
    host: 'tdf',
    body: Buffer.from(JSON.stringify(json)).toString('latin1'),
  })
  await expect(client.call({ path: '/tasks/none' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'there is no task none',
  })
})

it('passes uploads and downloads of any size through', async () => {
  const standby = await scene()
  const { folder } = standby
  standby.serving = await standby.serve(async (request, response) => {
    response.writeHead(200, { 'x-tdf-api': API_LEVEL })
    for await (const chunk of request) if (!response.write(chunk)) await once(response, 'drain')
    response.end()
  })
  const [sent, got] = [path.join(folder, 'sent'), path.join(folder, 'got')]
  writeFileSync(sent, Buffer.concat(Array.from({ length: 150 }, () => random.bytes(65_521))))
  const client = controlClient({ socket: standby.socket })
  await client.raw({ method: 'PUT', path: '/uploads/1?offset=0', upload: sent, download: got })
  expect(readFileSync(got).equals(readFileSync(sent))).toBe(true)
})

it('passes a stream of events on as it comes, and the end of its reader back', async () => {
  const standby = await scene()
  let stream: ServerResponse | undefined
  standby.serving = await standby.serve((_, response) => {
    response.writeHead(200, { 'x-tdf-api': API_LEVEL, 'content-type': 'text/event-stream' })
    response.flushHeaders()
    stream = response
  })
  const gone = new AbortController()
  const request = { path: '/events', headers: { accept: 'text/event-stream' }, signal: gone.signal }
  const response = await controlClient({ socket: standby.socket }).stream(request)
  for (const text of ['one', 'two']) {
    stream?.write(text)
    const [chunk] = await once(response, 'data')
    expect(String(chunk)).toBe(text)
  }
  const closed = once(stream as ServerResponse, 'close')
  response.on('error', () => {})
  gone.abort()
  await closed
})

it('waits for a takeover that is under way, and asks the new one', async () => {
  const standby = await scene()
  const asked = controlClient({ socket: standby.socket }).call({ path: '/status' })
  standby.serving = await standby.serve(echo)
  expect(await asked).toMatchObject({ url: '/v1/status' })
})

it('asks again where a daemon answered that it only stands by, and never sends a body twice', async () => {
  const standby = await scene()
  let asked = 0
  const other = await standby.serve((request, response) => {
    asked += 1
    standsBy(request, response)
  })
  standby.serving = other
  const client = controlClient({ socket: standby.socket })
  await expect(client.call({ method: 'POST', path: '/tasks', json: {} })).rejects.toMatchObject({ code: 'TAKEOVER' })
  expect(asked).toBe(1)
  const again = client.call({ path: '/status' })
  standby.serving = await standby.serve(echo)
  expect(await again).toMatchObject({ url: '/v1/status' })
})

it.each([
  ['no daemon serves', async (_: Scene) => null],
  [
    'nobody listens where one should',
    async (standby: Scene) => {
      const there = await standby.serve(echo)
      await undo.pop()?.()
      return there
    },
  ],
])('says that a takeover is under way when %s for long', async (_, whoOf) => {
  const standby = await scene({ hurried: true })
  standby.serving = await whoOf(standby)
  await expect(controlClient({ socket: standby.socket }).call({ path: '/status' })).rejects.toMatchObject({
    code: 'TAKEOVER',
    message: expect.stringContaining('its takeover is under way'),
  })
})

it('says that the database is away in its place, at once when it has been away for long', async () => {
  const standby = await scene()
  standby.outage = { since: Date.now() - 60_000, error: 'db1: ECONNREFUSED' }
  await expect(controlClient({ socket: standby.socket }).call({ path: '/status' })).rejects.toMatchObject({
    code: 'TAKEOVER',
    message: expect.stringMatching(/the database has not answered since \d{4}-.*: db1: ECONNREFUSED$/),
  })
})

it('says so when the one that serves goes away before it answered, and sends nothing again', async () => {
  const standby = await scene()
  let asked = 0
  standby.serving = await standby.serve(request => {
    asked += 1
    request.socket.destroy()
  })
  const request = { method: 'POST', path: '/tasks', json: {} } as const
  await expect(controlClient({ socket: standby.socket }).call(request)).rejects.toMatchObject({
    code: 'TAKEOVER',
    message: expect.stringContaining('went away in the middle of a request'),
  })
  expect(asked).toBe(1)
})

it('does not wait for the answer of a daemon that serves no more, though nothing closes it', async () => {
  const standby = await scene()
  const asked = new Promise<void>(resolve => {
    void standby.serve(() => resolve()).then(serving => (standby.serving = serving))
  })
  const request = { path: '/status', timeoutMs: 60_000 }
  const answered = expect(controlClient({ socket: standby.socket }).call(request)).rejects.toMatchObject({
    code: 'TAKEOVER',
    message: expect.stringContaining('went away in the middle of a request'),
  })
  await asked
  standby.serving = await standby.serve(echo)
  await answered
})

it('ends a stream whose daemon serves no more, though nothing closes it', async () => {
  const standby = await scene()
  standby.serving = await standby.serve((_, response) => {
    response.writeHead(200, { 'x-tdf-api': API_LEVEL, 'content-type': 'text/event-stream' })
    response.flushHeaders()
  })
  const response = await controlClient({ socket: standby.socket }).stream({ path: '/events' })
  const ended = once(response, 'close').catch(() => {})
  response.on('error', () => {})
  response.resume()
  standby.serving = await standby.serve(echo)
  await ended
})

it('meets nobody who has another key, on either side', async () => {
  const standby = await scene({ hurried: true, standbyKey: 'other' })
  let asked = 0
  const served = await standby.serve((_, response) => {
    asked += 1
    answer(response, 200, '{}')
  })
  standby.serving = served
  const call = () => controlClient({ socket: standby.socket }).call({ path: '/status' })
  await expect(call()).rejects.toMatchObject({ code: 'TAKEOVER' })
  // One that speaks without any key, as plain HTTP does, is no daemon of ours either.
  const plain = await opened(listen(echo, ANY_PORT, LIMITS))
  standby.serving = { host: '127.0.0.1', port: plain.port }
  await expect(call()).rejects.toMatchObject({ code: 'TAKEOVER' })
  expect(asked).toBe(0)
})

it('lets nobody in who has no key, or names the key and does not have it', async () => {
  const { serve } = await scene()
  const { port } = await serve(echo)
  const tries = [
    { rejectUnauthorized: false },
    { ...SHARED_KEY_TLS, pskCallback: () => ({ identity: 'tdf', psk: Buffer.alloc(32) }) },
  ]
  for (const options of tries) {
    const socket = connect({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...options })
    const refused = new Promise(resolve => socket.once('error', resolve))
    expect(await refused).toBeInstanceOf(Error)
  }
  const plain = http.get({ port, host: '127.0.0.1' })
  const [error] = await once(plain, 'error')
  expect(error).toBeInstanceOf(Error)
})

it('lets who has the key in while many that have none stay silent, and ends without them', async () => {
  const standby = await scene()
  standby.serving = await standby.serve(echo)
  const { port } = standby.serving
  const silent = Array.from({ length: 20 }, () =>
    connectTcp({ port, host: '127.0.0.1' })
      .on('error', () => {})
      .resume(),
  )
  const closed = Promise.all(silent.map(socket => once(socket, 'close')))
  await Promise.all(silent.map(socket => once(socket, 'connect')))
  expect(await controlClient({ socket: standby.socket }).call({ path: '/status' })).toMatchObject({ method: 'GET' })
  for (const act of undo.splice(0).reverse()) await act()
  await closed
})
