/** What the daemon tells of itself to machines: metrics, health, and the trace that a task belongs to. */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMetrics } from '../../../../daemon/reporting/metric-registry.ts'
import { fakeHetzner } from '../../../fakes/hetzner/cloud.ts'
import { listenHetzner } from '../../../fakes/hetzner/listen.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

const PORT = 20_000 + (process.pid % 20_000)
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
let home: Home
let repository: ReturnType<typeof makeRepository>
beforeAll(async () => {
  home = makeHome(`[daemon]\nmetrics_listen = "127.0.0.1:${PORT}"\n`)
  repository = makeRepository()
  await home.start()
  const command = [
    'submit',
    '--repo',
    repository.dir,
    '--wait',
    '--',
    'sh',
    '-c',
    `echo $TRACEPARENT > ${home.dir}/trace`,
  ]
  await tdfWith(home, { env: { TRACEPARENT: TRACE } }, ...command)
}, 60_000)
afterAll(async () => {
  await home.remove()
  repository.remove()
})

function get(
  where: string,
  headers: Record<string, string> = {},
  at: http.RequestOptions = { host: '127.0.0.1', port: PORT },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...at, path: where, headers }, response => {
      let text = ''
      response.on('data', chunk => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', reject)
  })
}

describe('metrics', () => {
  it('are on the socket and, when that is configured, on loopback', async () => {
    const { text } = await get('/metrics')
    const names = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name)
    expect(names).toEqual(
      expect.arrayContaining([
        ...['tdf_tasks', 'tdf_nodes', 'tdf_task_transitions_total', 'tdf_step_duration_seconds', 'tdf_callbacks_total'],
        ...['tdf_queue_oldest_seconds', 'tdf_scheduler_lag_seconds', 'tdf_event_loop_delay_seconds', 'tdf_sse_clients'],
        ...['tdf_db_size_bytes', 'tdf_disk_free_bytes', 'tdf_build_info', 'tdf_step_retries_total'],
        ...['tdf_hcloud_requests_total', 'tdf_hcloud_ratelimit_remaining'],
      ]),
    )
    expect(text).toContain('tdf_tasks{state="completed"} 1\n')
    expect(text).toContain('tdf_task_transitions_total{from="in_progress",to="completed"} 1\n')
    expect(text).toMatch(/tdf_step_duration_seconds_count\{step="salvage",outcome="advance"\} 1\n/)
    const onSocket = await home.client.raw({ path: '/metrics' })
    expect(onSocket.body.toString()).toContain('tdf_tasks{state="completed"} 1\n')
  })

  it('hold no id of any task', async () => {
    const [task] = await home.client.call<{ id: string }[]>({ path: '/tasks' })
    expect((await get('/metrics')).text).not.toContain(task?.id)
  })

  it('are not for browsers nor for foreign names of this machine', async () => {
    expect((await get('/metrics', { origin: 'http://localhost' })).status).toBe(403)
    expect((await get('/metrics', { host: 'rebound.example.org' })).status).toBe(403)
    expect((await get('/v1/tasks')).status).toBe(404)
  })

  it('never grow without bound, and escape what they are given', () => {
    const metrics = createMetrics()
    const counter = metrics.counter('c_total', 'Help.')
    for (let index = 0; index < 2_000; index++) counter.add({ label: `${index}"\\\n` })
    expect(metrics.text().split('\n')).toHaveLength(503)
    expect(metrics.text()).toContain(String.raw`c_total{label="0\"\\\n"} 1`)
  })

  it('count what falls into a bucket in every larger one too', () => {
    const metrics = createMetrics()
    const histogram = metrics.histogram('h_seconds', 'Help.')
    for (const seconds of [0.001, 0.2, 100_000]) histogram.observe({ step: 's' }, seconds)
    const text = metrics.text()
    expect(text).toContain('h_seconds_bucket{step="s",le="0.01"} 1\n')
    expect(text).toContain('h_seconds_bucket{step="s",le="86400"} 2\n')
    expect(text).toContain('h_seconds_bucket{step="s",le="+Inf"} 3\n')
    expect(text).toContain('h_seconds_count{step="s"} 3\n')
  })
})

describe('health', () => {
  it('says that the daemon lives, and each thing that makes it ready', async () => {
    expect((await get('/health/live')).text).toBe('ok')
    expect(await get('/health/ready')).toEqual({ status: 200, text: 'ok' })
    const { ok, checks } = await home.client.call<{ ok: boolean; checks: { name: string }[] }>({
      path: '/health/ready',
    })
    expect([ok, checks.map(({ name }) => name)]).toEqual([true, ['event loop', 'scheduler', 'database', 'storage']])
  })
})

describe('a token that Hetzner refuses', () => {
  it('makes the daemon not ready, which no restart would mend', async () => {
    const cloud = fakeHetzner({ now: Date.now, token: 'another', bootMs: 0 })
    const listening = await listenHetzner(cloud)
    const other = makeHome('[providers.local]\nenabled = false\n[providers.hetzner]\nenabled = true\n')
    try {
      await other.start({ HCLOUD_TOKEN: 'revoked', HCLOUD_ENDPOINT: listening.endpoint })
      const socketPath = path.join(other.dir, 'run', 'tdf.sock')
      const ready = async () => JSON.parse((await get('/v1/health/ready', { host: 'localhost' }, { socketPath })).text)
      await until('it was asked', async () => !(await ready()).ok)
      expect((await ready()).checks.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([
        { name: 'provider', ok: false, vital: false, detail: 'Hetzner refused the API token when it was last asked' },
      ])
      expect((await other.client.raw({ path: '/metrics' })).body.toString()).toMatch(
        /^tdf_hcloud_requests_total\{code="401"\} \d+$/m,
      )
      expect((await tdf(other, 'doctor')).out).toContain('Hetzner refused the API token')
    } finally {
      await other.remove()
      await listening.stop()
    }
  })
})

it('the trace that a submit belongs to reaches the agent', () => {
  expect(readFileSync(path.join(home.dir, 'trace'), 'utf8').trim()).toBe(TRACE)
})

it('the log says everything when systemd asks for a start that is to be looked into', async () => {
  const said = async (env: Record<string, string>) => (await tdfWith(home, { env }, 'daemon', 'run')).out
  expect(await said({ DEBUG_INVOCATION: '1' })).toContain('"level":"debug"')
  expect(await said({})).not.toContain('"level":"debug"')
})
