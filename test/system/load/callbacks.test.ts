/**
 * The callback port under load and under attack at once: every valid fact is stored, memory stays bounded, and the
 * control socket goes on answering. How fast it is is measured in the benchmarks, not here.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSql } from '../../../src/store/sqlite/sql.ts'
import { type CallbackRig, callbackRig, type Submitted } from '../../support/daemon/callback-rig.ts'
import { until } from '../../support/daemon/home.ts'

const FACTS = 10_000
const PER_SECOND = 1_000
const WORKSPACES = 20
const RSS_BYTES_MAX = 400 * 1024 * 1024
const ANSWER_MS_MAX = 15_000

let rig: CallbackRig
let runs: Submitted[]
let port: number
let pid: number

beforeAll(async () => {
  rig = await callbackRig('[runner]\nworkspace_ready_poll_interval = "10m"\nreconcile_interval = "10m"\n')
  runs = []
  for (let run = 0; run < WORKSPACES; run++) runs.push(await rig.submit({ hangs: true }))
  const status = await rig.home.client.call<{ callbacksUrl: string; pid: number }>({ path: '/status' })
  port = Number(new URL(status.callbacksUrl).port)
  pid = status.pid
}, 300_000)
afterAll(() => rig.end(), 60_000)

const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 100 })

interface Call {
  method?: string
  path: string
  token?: string
  body?: string | Buffer
  chunked?: boolean
  agent?: http.Agent | false
}

/** The status, or 0 when there was no answer. */
function call({
  method = 'POST',
  path: where,
  token,
  body = '',
  chunked = false,
  agent = false,
}: Call): Promise<number> {
  return new Promise(resolve => {
    const headers: Record<string, string> = { host: '127.0.0.1', 'content-type': 'application/json' }
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    if (!chunked) headers['content-length'] = String(Buffer.byteLength(body))
    const request = http.request({ host: '127.0.0.1', port, method, path: where, headers, agent }, response => {
      response.resume()
      response.on('close', () => resolve(response.statusCode ?? 0))
    })
    request.setTimeout(30_000, () => request.destroy())
    request.on('error', () => resolve(0))
    request.end(body)
  })
}

/** A fact of its own: an end of a session that nobody waits for. Sent until it is taken, as an agent does. */
async function tell(index: number): Promise<number> {
  const run = runs[index % WORKSPACES] as Submitted
  const sessionId = `${run.workspaceId}-x${index}`
  const body = JSON.stringify({ seq: index, attempt: 1, sessionId, status: 'completed', exitCode: 0, signal: null })
  for (let attempt = 1; ; attempt++) {
    const status = await call({ path: `/tasks/${run.id}/status`, token: run.token, body, agent: keepAlive })
    if (status === 200 || attempt > 60) return status
    await pause(Math.min(100 * attempt, 1_000))
  }
}

async function tellAll(): Promise<number[]> {
  const begun = performance.now()
  const answers: Promise<number>[] = []
  while (answers.length < FACTS) {
    const due = Math.min(((performance.now() - begun) / 1_000) * PER_SECOND, FACTS)
    while (answers.length < due) answers.push(tell(answers.length))
    await pause(5)
  }
  return Promise.all(answers)
}

/** Does something again and again until the facts are told; answers what came of it. */
async function meanwhile<T>(signal: AbortSignal, everyMs: number, act: (round: number) => Promise<T>): Promise<T[]> {
  const answers: Promise<T>[] = []
  for (let round = 0; !signal.aborted; round++) {
    answers.push(act(round))
    await pause(everyMs)
  }
  return Promise.all(answers)
}

function open(count: number, sockets: Set<Socket>): void {
  for (let index = 0; index < count; index++) {
    const socket = connect({ host: '127.0.0.1', port })
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
}

const rssBytes = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
const openFiles = () => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/FDSize:\s+(\d+)/)?.[1])

describe('the callback port, told 10 000 facts at 1 000 a second while it is attacked,', () => {
  it('stores every one, refuses everything else, and leaves the control socket alone', async () => {
    const over = new AbortController()
    const { signal } = over
    const [first] = runs as [Submitted]
    const target = `/workspaces/${first.workspaceId}/ready`
    const sockets = new Set<Socket>()
    open(5_000, sockets)
    const slow = meanwhile(signal, 200, async () => {
      const socket = connect({ host: '127.0.0.1', port })
      sockets.add(socket)
      socket.on('error', () => {})
      socket.write('POST /workspaces/x/ready HTTP/1.1\r\nhost: 127.0.0.1\r\n')
      for (let letter = 0; letter < 20 && !signal.aborted && !socket.destroyed; letter++) {
        socket.write(`x-${letter}: y\r\n`)
        await pause(500)
      }
      return 0
    })
    const floods = {
      badTokens: meanwhile(signal, 5, round => call({ path: target, token: `tdfcb_${round}`, body: '{}' })),
      noToken: meanwhile(signal, 20, () => call({ path: target, body: '{}' })),
      huge: meanwhile(signal, 250, () => call({ path: target, token: first.token, body: Buffer.alloc(2 << 20, 'x') })),
      hugeChunked: meanwhile(signal, 250, () =>
        call({ path: target, token: first.token, body: Buffer.alloc(2 << 20, 'x'), chunked: true }),
      ),
      malformed: meanwhile(signal, 100, () => call({ path: target, token: first.token, body: '{"seq":' })),
      unknown: meanwhile(signal, 50, round => call({ path: `/no/such/${round}`, body: '{}' })),
    }
    let worstMs = 0
    let rssMax = 0
    const looks = meanwhile(signal, 250, async () => {
      const asked = performance.now()
      await rig.home.client.call({ path: '/status', timeoutMs: 60_000 })
      worstMs = Math.max(worstMs, performance.now() - asked)
      rssMax = Math.max(rssMax, rssBytes())
    })

    const answers = await tellAll()
    over.abort()
    await Promise.all([slow, looks])
    const refused = Object.fromEntries(
      await Promise.all(Object.entries(floods).map(async ([name, flood]) => [name, [...new Set(await flood)].sort()])),
    )
    for (const socket of sockets) socket.destroy()

    expect(answers.filter(status => status !== 200)).toEqual([])
    // 0 is a connection that was closed on a caller who sends what nobody wants, 408 one that was not read in time; 429
    // is what the same token did before.
    const only = (name: string, ...statuses: number[]) =>
      expect([name, refused[name].filter((status: number) => ![0, 408, 429, ...statuses].includes(status))]).toEqual([
        name,
        [],
      ])
    only('badTokens', 401)
    only('noToken', 401)
    only('huge', 413)
    only('hugeChunked', 413)
    only('malformed', 400)
    only('unknown', 404)
    expect(refused.badTokens).toContain(401)
    expect(refused.malformed).toContain(400)
    expect(worstMs).toBeLessThan(ANSWER_MS_MAX)
    expect(rssMax).toBeLessThan(RSS_BYTES_MAX)
    expect(openFiles()).toBeLessThan(2_048)
    process.stdout.write(
      `control socket: ${Math.round(worstMs)} ms at worst; memory: ${Math.round(rssMax / 2 ** 20)} MiB\n`,
    )

    await rig.restart()
    const copy = path.join(rig.home.dir, 'copy.db')
    const { name } = await rig.home.client.call<{ name: string }>({ method: 'POST', path: '/backups' })
    await rig.home.client.raw({ path: `/backups/${name}`, download: copy })
    const sql = openSql(copy)
    const stored = sql.one("select count(*) as count from inbox where dedupe like 'session_exited:%-x%'")
    sql.close()
    expect(stored).toEqual({ count: FACTS })
  }, 300_000)

  it('lets go of what is idle, and serves as before', async () => {
    await until('a caller is served', async () => (await call({ method: 'GET', path: '/healthz' })) === 200)
    const [run] = runs as [Submitted]
    const body = JSON.stringify({ seq: 1, status: 'running' })
    port = Number(
      new URL((await rig.home.client.call<{ callbacksUrl: string }>({ path: '/status' })).callbacksUrl).port,
    )
    expect(await call({ path: `/workspaces/${run.workspaceId}/ready`, token: run.token, body })).toBe(200)
  })
})

describe('a token that is used in a busy loop', () => {
  it('is told to wait, and others are served meanwhile', async () => {
    const [loud, quiet] = runs as [Submitted, Submitted]
    const body = JSON.stringify({ seq: 1, status: 'running' })
    const ready = (run: Submitted) =>
      call({ path: `/workspaces/${run.workspaceId}/ready`, token: run.token, body, agent: keepAlive })
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => ready(loud)))
    expect(new Set(answers)).toEqual(new Set([200, 429]))
    expect(await ready(quiet)).toBe(200)
    await until('it is served again', async () => (await ready(loud)) === 200)
  })
})
