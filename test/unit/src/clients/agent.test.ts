/** Answers of an agent that lies, through real HTTP: each is an error with its class, in bounded time and memory. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import net from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { type AgentClient, agentClient } from '../../../../src/clients/agent.ts'
import { httpTransport } from '../../../../src/clients/transport.ts'
import { realWorld } from '../../../../src/platform/world.ts'

const TOKEN = 'the-token-of-the-agent'
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

const clientAt = (port: number, timeoutMs: number) =>
  agentClient({
    world: realWorld({}),
    nodeName: 'box1',
    token: TOKEN,
    transport: httpTransport({ url: `http://127.0.0.1:${port}` }),
    timeoutMs,
  })

async function answering(answer: http.RequestListener, timeoutMs = 10_000): Promise<AgentClient> {
  const server = http.createServer(answer)
  closing.push(() => server.closeAllConnections())
  return clientAt(await listening(server), timeoutMs)
}

const saying = (body: unknown, status = 200, headers: http.OutgoingHttpHeaders = {}) =>
  answering((_, response) => void response.writeHead(status, headers).end(JSON.stringify(body)))

const HEALTH = { status: 'healthy', nodeName: 'box1', stateId: 's1', version: '1', protocol: 1, workspaces: 0 }
const LOAD = { cpuPercent: 1, memoryPercent: 1, diskPercent: 1 }
const SESSION = {
  ...{ sessionId: 's1', status: 'exited', exitCode: 0, signal: null, startedAt: null, lastOutputAt: null, cpuMs: 0 },
  ...{ resumeRef: null, usage: null, outcome: 'none', summary: null, resetAt: null, errorMessage: null },
  ...{ failure: null, agentVersion: null, model: null, pendingPermission: null, retrying: null },
}
const WORKSPACE = { workspaceId: 'w1', taskId: 't1', attempt: 1, status: 'ready', errorMessage: null }
const USAGE = { inputTokens: 1, outputTokens: 1, costUsd: 1 }
const SALVAGED = { commit: '1'.repeat(40), baseCommit: '2'.repeat(40), ahead: 0, salvaged: false }

type Ask = (client: AgentClient) => Promise<unknown>
const health: Ask = client => client.health()
const session: Ask = client => client.session('w1', 's1')
const workspace: Ask = client => client.workspace('w1')
const workspaces: Ask = client => client.workspaces()
const salvage: Ask = client => client.salvage('w1', 'refs/tdf/t1/1')

describe('what an agent answers is not believed', () => {
  it.each<[string, Ask, object]>([
    ['a percentage over a hundred', health, { ...HEALTH, ...LOAD, cpuPercent: 101 }],
    ['a negative percentage', health, { ...HEALTH, ...LOAD, diskPercent: -1 }],
    ['a percentage that is text', health, { ...HEALTH, ...LOAD, diskPercent: '5' }],
    ['half a workspace', health, { ...HEALTH, ...LOAD, workspaces: 0.5 }],
    ['more workspaces than a number holds', health, { ...HEALTH, ...LOAD, workspaces: 1e300 }],
    ['a node name that is a path', health, { ...HEALTH, ...LOAD, nodeName: '../x' }],
    ['a version without end', health, { ...HEALTH, ...LOAD, version: 'x'.repeat(10_000) }],
    ['the view of another session', session, { ...SESSION, sessionId: 's2' }],
    ['an exit code that no process has', session, { ...SESSION, exitCode: 2 ** 40 }],
    ['processor time below zero', session, { ...SESSION, cpuMs: -5 }],
    ['a cost that makes every sum infinite', session, { ...SESSION, usage: { ...USAGE, costUsd: 1e308 } }],
    ['a cost below zero', session, { ...SESSION, usage: { ...USAGE, costUsd: -1 } }],
    ['an outcome that there is not', session, { ...SESSION, outcome: 'verified' }],
    ['another workspace', workspace, { ...WORKSPACE, workspaceId: 'w2' }],
    ['one workspace twice', workspaces, { workspaces: [WORKSPACE, WORKSPACE] }],
    ['a workspace whose task is a path', workspaces, { workspaces: [{ ...WORKSPACE, taskId: 'a/../b' }] }],
    ['a commit that is an option', salvage, { ...SALVAGED, commit: '--upload-pack=x' }],
    ['fewer commits than none', salvage, { ...SALVAGED, ahead: -1 }],
    [
      'the start of another session',
      client => client.startSession('w1', STARTED),
      { sessionId: 's2', status: 'running' },
    ],
  ])('%s is a protocol error', async (_, ask, body) => {
    await expect(ask(await saying(body))).rejects.toMatchObject({ code: 'AGENT_PROTOCOL', message: /box1/ })
  })

  it('fields that nobody knows are dropped, and long texts are cut', async () => {
    const client = await saying({ ...SESSION, summary: 'x'.repeat(500_000), verdict: 'verified', __proto__: { a: 1 } })
    const seen = await client.session('w1', 's1')
    expect([seen?.summary?.length, Object.keys(seen ?? {}).includes('verdict')]).toEqual([64 * 1024, false])
  })

  it.each([301, 302, 307])('%i leads nowhere, and means of nothing that it was done', async status => {
    const client = await saying({}, status, { location: 'http://169.254.169.254/' })
    await expect(client.deleteWorkspace('w1')).rejects.toMatchObject({ code: 'AGENT_PROTOCOL' })
    await expect(client.register(REGISTRATION)).rejects.toMatchObject({ code: 'AGENT_PROTOCOL' })
  })

  it('the token that it was sent is not repeated in its words, which are cut', async () => {
    const client = await answering((request, response) => {
      const message = `you said ${request.headers.authorization} ${'x'.repeat(100_000)}`
      response.writeHead(400).end(JSON.stringify({ error: { code: 'x', message } }))
    })
    const error = await client.health().catch(thrown => thrown)
    expect(error.message).not.toContain(TOKEN)
    expect(error.message).toContain('[token]')
    expect(error.message.length).toBeLessThan(5_000)
  })

  it.each([
    ['-5', undefined],
    ['1e999', undefined],
    ['never', undefined],
    ['999999999', 600_000],
    ['7', 7_000],
  ])('a retry-after of %s is %s', async (text, retryAfterMs) => {
    const client = await saying({}, 503, { 'retry-after': text })
    const error = await client.health().catch(thrown => thrown)
    expect([error.code, error.retryAfterMs]).toEqual(['AGENT_BUSY', retryAfterMs])
  })

  it.each(['0', '-1', 'NaN', '1e308', '99999999999'])(
    'an offset of %s is none: a log goes on behind what came',
    async said => {
      const client = await answering(
        (_, response) => void response.writeHead(200, { 'x-next-offset': said }).end('12345'),
      )
      expect(await client.logs('w1', 's1', 10)).toEqual({ bytes: Buffer.from('12345'), next: 15 })
    },
  )

  it('a compressed gigabyte stays compressed', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' }
    const client = await answering((_, response) => void response.writeHead(200, headers).end(bomb))
    await expect(client.health()).rejects.toMatchObject({ code: 'AGENT_PROTOCOL' })
  })
})

describe('an answer that never ends is given up in time', () => {
  /** Repeats a text for as long as the connection is there. */
  async function dripping(first: string, then: string): Promise<AgentClient> {
    const { clock } = realWorld({})
    const server = net.createServer(socket => {
      closing.push(() => socket.destroy())
      socket.on('error', () => {})
      const drip = () => {
        if (socket.destroyed) return
        socket.write(then)
        clock.timer(20, drip)
      }
      socket.once('data', () => {
        socket.write(first)
        drip()
      })
    })
    return clientAt(await listening(server), 500)
  }

  it.each([
    ['whose body comes byte by byte', 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n', ' '],
    ['whose head comes byte by byte', 'HTTP/1.1 200 OK\r\nx: ', 'x'],
    ['that is announced again and again', '', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['of chunks of one byte', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\n \r\n'],
  ])('%s', async (_, first, then) => {
    const client = await dripping(first, then)
    await expect(client.health()).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })

  it('whose head is larger than any', async () => {
    const client = await dripping('HTTP/1.1 200 OK\r\n', `x: ${'y'.repeat(8_000)}\r\n`)
    await expect(client.health()).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })
})

const STARTED = {
  ...{ sessionId: 's1', prompt: '', timeoutMs: null, resumeRef: null },
  agent: { type: 'command' as const, command: ['true'], env: {} },
}
const REGISTRATION = {
  nodeName: 'box1',
  installId: 'i1',
  heartbeatMs: 1_000,
  callback: { url: 'http://x', token: 'y' },
}
