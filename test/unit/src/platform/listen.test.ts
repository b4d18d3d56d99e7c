/** How a listener ends: what is being answered goes out whole, what waits for nothing is closed, and all within a bound. */
import { once } from 'node:events'
import { linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import http, { type RequestListener, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { type Listener, listen } from '../../../../src/platform/listen.ts'
import { type Clock, realWorld } from '../../../../src/platform/world.ts'

const { clock } = realWorld({})
const LIMITS = { clock, requestTimeoutMs: 0, connectionsMax: 8 }
const ANY_PORT = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

/** A listener whose requests wait for the test; `asked` resolves with the response to be written. */
async function waiting(options: Partial<typeof LIMITS> = {}) {
  let ask = (_: ServerResponse) => {}
  const asked = new Promise<ServerResponse>(resolve => (ask = resolve))
  const listener = await listen((_, response) => ask(response), ANY_PORT, { ...LIMITS, ...options })
  return { listener, asked }
}

function get({ port }: Listener, headers: Record<string, string> = {}, agent = new http.Agent({ keepAlive: true })) {
  return new Promise<string>((resolve, reject) => {
    const request = http.get({ port, host: '127.0.0.1', headers, agent }, async response => {
      let text = ''
      try {
        for await (const chunk of response) text += chunk
        resolve(text)
      } catch (error) {
        reject(error)
      }
    })
    request.once('error', reject)
  })
}

it('an answer that is under way when the listener stops arrives whole, though its connection could be used again', async () => {
  const { listener, asked } = await waiting()
  const answer = get(listener)
  const response = await asked
  response.write('the first half, ')
  const stopped = listener.stop()
  await expect(get(listener)).rejects.toThrow('ECONNREFUSED')
  response.end('and the second')
  expect(await answer).toBe('the first half, and the second')
  await stopped
})

it('an answer that never ends is cut off when the time is up', async () => {
  const timers: (() => void)[] = []
  const timer: Clock['timer'] = (_, fn) => {
    timers.push(fn)
    return () => {}
  }
  const { listener, asked } = await waiting({ clock: { ...clock, timer } })
  const answer = get(listener).catch(error => error)
  const response = await asked
  response.write('never more than that')
  const stopped = listener.stop()
  expect(timers).toHaveLength(1)
  timers[0]?.()
  await stopped
  expect((await answer).code).toBe('ECONNRESET')
})

it.each([
  ['a connection on which nothing was asked', ''],
  ['a stream of events', 'GET / HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n'],
])('%s does not hold up the end', async (_, text) => {
  const never: Clock = { ...clock, timer: () => () => {} }
  const handler: RequestListener = (_, response) => void response.write('event: x\n\n')
  const listener = await listen(handler, ANY_PORT, { ...LIMITS, clock: never })
  const socket = connect(listener.port, '127.0.0.1')
  await once(socket, 'connect')
  if (text !== '') {
    socket.write(text)
    await once(socket, 'data')
  }
  socket.resume()
  const closed = once(socket, 'close')
  await Promise.all([listener.stop(), closed])
})

it('the connection that has been idle longest makes room for a new one; one that is being answered stays', async () => {
  const { listener, asked } = await waiting({ connectionsMax: 2 })
  const answer = get(listener)
  const response = await asked
  const idle = connect(listener.port, '127.0.0.1')
  await once(idle, 'connect')
  const closed = once(idle, 'close')
  const newcomer = connect(listener.port, '127.0.0.1')
  await once(newcomer, 'connect')
  await closed
  response.end('still here')
  expect(await answer).toBe('still here')
  newcomer.destroy()
  await listener.stop()
})

it('a socket file that was left behind is replaced, one that somebody listens on is not', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-listen-'))
  const address = { kind: 'unix', path: path.join(folder, 'socket'), mode: 0o600 } as const
  const first = await listen(() => {}, address, LIMITS)
  await expect(listen(() => {}, address, LIMITS)).rejects.toMatchObject({ code: 'PORT_TAKEN' })
  // The second name of the file stays when the first one goes with its listener.
  linkSync(address.path, path.join(folder, 'left'))
  await first.stop()
  renameSync(path.join(folder, 'left'), address.path)
  const second = await listen(() => {}, address, LIMITS)
  expect(second.address).toBe(`unix:${address.path}`)
  await second.stop()
  rmSync(folder, { recursive: true })
})
