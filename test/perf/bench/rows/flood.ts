/** A node whose outbox never ends, page after page as large as one may be: what other tasks of the daemon feel of that. */
import { setTimeout as pause } from 'node:timers/promises'
import { EVENTS_PAGE_BYTES_MAX, EVENTS_PAGE_MAX } from '../../../../src/protocol/shapes.ts'
import { type HostileNode, type Lie, startHostileNode } from '../../../hostile/support/hostile-node.ts'
import { undoFile } from '../../../support/after-file.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import type { Row } from '../report.ts'
import { median, quantile } from '../stats.ts'

const TASKS_PER_SECOND = 20
const DELAY_MS_MAX = 50
const REPO = { kind: 'git', url: 'https://example.org/repo.git', ref: null }

const configFor = ({ url, token }: HostileNode) => `[providers.local]
enabled = false
[[providers.static.nodes]]
name = "liar"
url = "${url}"
token = "${token}"
[repositories]
fetch = "node"
[nodes]
heartbeat_interval = "1s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
`

/** For so many seconds without and with the flood. */
export async function floodRow(seconds: number): Promise<Row> {
  const node = await startHostileNode('liar')
  const home = makeHome(configFor(node))
  const repository = makeRepository()
  try {
    await home.start()
    const words = ['submit', 'x', '--repo', repository.dir, '--node', 'liar', '-q', '--', 'sleep', '600']
    const running = (await tdf(home, ...words)).out.trim()
    await until('it runs', async () => (await home.task(running)).step === 'running')
    const calm = await submits(home, seconds)
    const flood = floodOf(running)
    node.lies.push(flood.lie)
    await until('the flood is read', () => flood.pages() > 1)
    const before = flood.pages()
    const flooded = await submits(home, seconds)
    return judged(calm, flooded, (flood.pages() - before) / seconds)
  } finally {
    await home.remove()
    undoFile()
  }
}

function judged(calm: readonly number[], flooded: readonly number[], pagesPerSecond: number): Row {
  const delay = quantile(flooded, 0.99) - quantile(calm, 0.99)
  const text = (ms: readonly number[]) =>
    `p50 ${median(ms).toFixed(1)}, p99 ${quantile(ms, 0.99).toFixed(1)}, at most ${Math.max(...ms).toFixed(1)} ms`
  return {
    what: 'another task, while a node answers with full pages of events without end',
    bar: `p99 ≤ ${DELAY_MS_MAX} ms later than without`,
    measured: `${delay.toFixed(1)} ms later: ${text(flooded)} at ${pagesPerSecond.toFixed(1)} pages/s; without ${text(calm)}`,
    holds: delay <= DELAY_MS_MAX,
  }
}

/** Ms until a task is stored and answered, which waits for its turn as every step of a task does; no node takes one. */
async function submits(home: Home, seconds: number): Promise<number[]> {
  const times: number[] = []
  const json = { prompt: 'wait', command: ['true'], repo: REPO, size: 'large' }
  for (let index = 0; index < seconds * TASKS_PER_SECOND; index++) {
    const startedAt = performance.now()
    await home.client.call({ method: 'POST', path: '/tasks', json })
    times.push(performance.now() - startedAt)
    await pause(1_000 / TASKS_PER_SECOND)
  }
  return times
}

/** Invented ends of sessions of a task that runs there, so that each row is looked at and stored. */
function floodOf(taskId: string): { lie: Lie; pages(): number } {
  const workspaceId = `${taskId}-1-1`
  const about = { at: new Date(0).toISOString(), type: 'session.exited', workspaceId, taskId, attempt: 1 }
  const row = (seq: number, pad: string) => {
    const sessionId = `${workspaceId}-${seq}`
    const data = { seq, attempt: 1, sessionId, status: 'completed', exitCode: 0, signal: null, pad }
    return JSON.stringify({ ...about, seq, sessionId, data })
  }
  // Room for the brackets of the page and the commas.
  const pad = 'x'.repeat(Math.floor(EVENTS_PAGE_BYTES_MAX / EVENTS_PAGE_MAX) - row(1e9, '').length - 8)
  let count = 0
  const lie: Lie = ({ method, path, query }, { body }) => {
    if (method !== 'GET' || path !== '/events') return undefined
    count += 1
    const page = JSON.parse(body.toString('utf8'))
    const first = Number(query.get('after')) + 1
    const rows = Array.from({ length: EVENTS_PAGE_MAX }, (_, index) => row(first + index, pad))
    const head = JSON.stringify({ ...page, events: [] }).slice(0, -1)
    return { body: Buffer.from(`${head.replace('"events":[]', `"events":[${rows.join(',')}]`)}}`) }
  }
  return { lie, pages: () => count }
}
