/** Callbacks through the real server: what is stored, what is answered, and what is refused. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallbackRig, callbackRig } from '../../../support/daemon/callback-rig.ts'
import { tdf, until } from '../../../support/daemon/home.ts'

let rig: CallbackRig
beforeAll(async () => {
  // Nothing is found by looking: what moves a task here is what it is told.
  rig = await callbackRig('[runner]\nworkspace_ready_poll_interval = "10m"\nreconcile_interval = "10m"\n')
})
afterAll(() => rig.end())

const READY = { seq: 1, status: 'running' }
const step = async (id: string) => (await rig.home.task(id)).step
const exited = (sessionId: string, more: object = {}) => ({
  ...{ seq: 2, attempt: 1, sessionId, status: 'completed', exitCode: 0, signal: null },
  ...more,
})

describe('workspace ready', () => {
  it('moves its task within a second, whatever the poll interval', async () => {
    const { id, workspaceId, sessionId, token } = await rig.submit({ hangs: true })
    await until('it waits', async () => (await step(id)) === 'workspace_ready')
    await until('the model is ready', () => rig.agent.workspaces.get(workspaceId)?.status === 'ready')
    const sentAt = performance.now()
    const answer = await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)
    expect([answer.status, answer.json]).toEqual([200, { accepted: true }])
    await until('it runs', async () => (await step(id)) === 'running')
    expect(performance.now() - sentAt).toBeLessThan(1_000)
    const again = await rig.as(token).post(`/workspaces/${workspaceId}/ready`, { ...READY, seq: 9 })
    expect([again.status, again.json]).toEqual([200, { accepted: true }])
    expect(rig.agent.starts.get(sessionId)).toBe(1)
    await tdf(rig.home, 'cancel', id)
  })

  it('that comes early is kept, also when the daemon dies after its answer', async () => {
    const { id, workspaceId, token } = await rig.submit({ hangs: true })
    await until('the model is ready', () => rig.agent.workspaces.get(workspaceId)?.status === 'ready')
    expect((await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)).status).toBe(200)
    await rig.restart()
    await until('it runs', async () => (await step(id)) === 'running')
    await tdf(rig.home, 'cancel', id)
  })
})

describe('the end of a session', () => {
  it('that nobody began is kept only while there is room, and the facts that count find theirs', async () => {
    const { id, workspaceId, token } = await rig.submit({ hangs: true })
    const tell = (number: number) =>
      rig.as(token).post(`/tasks/${id}/status`, exited(`invented-${number}`, { errorMessage: 'x'.repeat(60_000) }))
    const answers = []
    for (let number = 0; number < 40; number++) answers.push(await tell(number))
    const taken = answers.filter(({ json }) => json.accepted)
    expect([taken.length, answers.at(-1)?.status, answers.at(-1)?.json]).toEqual([
      18,
      200,
      { accepted: false, reason: expect.stringContaining('not used yet') },
    ])
    const again = await tell(3)
    expect(again.json).toEqual({ accepted: true })
    expect((await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)).json).toEqual({ accepted: true })
    await until('it runs', async () => (await step(id)) === 'running')
    await tdf(rig.home, 'cancel', id)
  })

  it('is taken before the workspace was ready, and in double', async () => {
    const { id, workspaceId, sessionId, token } = await rig.submit({ ms: 100, commits: 1 })
    const early = await rig.as(token).post(`/tasks/${id}/status`, exited(sessionId))
    expect([early.status, early.json.accepted]).toEqual([200, true])
    await until('the model is ready', () => rig.agent.workspaces.get(workspaceId)?.status === 'ready')
    await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)
    expect((await rig.as(token).post(`/tasks/${id}/status`, exited(sessionId))).status).toBe(200)
    await until('it ran', () => rig.agent.starts.get(sessionId) === 1)
    await rig.as(token).post(`/tasks/${id}/status`, exited(sessionId))
    await tdf(rig.home, 'cancel', id)
  })

  it('of a run that is over is answered, and changes nothing', async () => {
    const { id, workspaceId, sessionId, token } = await rig.submit({ hangs: true })
    await tdf(rig.home, 'cancel', id)
    await until('it is over', async () => (await rig.home.task(id)).status === 'cancelled')
    const before = await rig.home.task(id)
    const late = await rig.as(token).post(`/tasks/${id}/status`, exited(sessionId))
    expect([late.status, late.json]).toEqual([200, { accepted: false, reason: expect.any(String) }])
    const ready = await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)
    expect(ready.json.accepted).toBe(false)
    await until('it is cleaned up', async () => (await step(id)) === null)
    expect(await rig.home.task(id)).toMatchObject({ status: 'cancelled', verdict: before.verdict })
  })

  it('of an older placement is answered, and changes nothing', async () => {
    const { id, workspaceId, token } = await rig.submit({ hangs: true })
    await rig.as(token).post(`/workspaces/${workspaceId}/provisioning-failed`, { seq: 1, errorMessage: 'no disk' })
    await until('it is over', async () => (await rig.home.task(id)).status === 'failed')
    await tdf(rig.home, 'retry', id)
    await until('there is another', () => rig.agent.workspaces.has(`${id}-2-1`))
    const old = await rig.as(token).post(`/workspaces/${workspaceId}/ready`, READY)
    expect([old.status, old.json.accepted]).toEqual([200, false])
    await tdf(rig.home, 'cancel', id)
  })
})

describe('provisioning-failed', () => {
  it('ends the attempt with the words of the node', async () => {
    const { id, workspaceId, token } = await rig.submit({ hangs: true })
    const body = { seq: 1, errorMessage: 'npm ci: EACCES' }
    expect((await rig.as(token).post(`/workspaces/${workspaceId}/provisioning-failed`, body)).status).toBe(200)
    await until('it is over', async () => (await rig.home.task(id)).status === 'failed')
    expect((await rig.home.task(id)).error?.message).toContain('npm ci: EACCES')
  })
})

describe('a forged call', () => {
  it.each(['ready', 'provisioning-failed', 'requests'])('of workspace %s is refused', async what => {
    const mine = await rig.submit({ hangs: true })
    const other = await rig.submit({ hangs: true })
    const path = `/workspaces/${mine.workspaceId}/${what}`
    const none = await rig.as('').call('POST', path, { token: null, body: READY })
    const unknown = await rig.as('never-issued').post(path, READY)
    const others = await rig.as(other.token).post(path, READY)
    const nodes = await rig.as(rig.nodeToken()).post(path, READY)
    expect([none.status, unknown.status, others.status, nodes.status]).toEqual([401, 401, 403, 403])
    await tdf(rig.home, 'cancel', mine.id, other.id)
  })

  it('of a task, with the token of another task or attempt', async () => {
    const mine = await rig.submit({ hangs: true })
    const other = await rig.submit({ hangs: true })
    const path = `/tasks/${mine.id}/status`
    expect((await rig.as(other.token).post(path, exited(mine.sessionId))).status).toBe(403)
    expect((await rig.as(mine.token).post(path, exited(mine.sessionId, { attempt: 2 }))).status).toBe(403)
    expect((await rig.home.task(mine.id)).verdict).toBe(null)
    await tdf(rig.home, 'cancel', mine.id, other.id)
  })

  it('of a node, with the token of a workspace', async () => {
    const mine = await rig.submit({ hangs: true })
    const body = { stateId: rig.agent.stateId, cpuPercent: 1, memoryPercent: 1, diskPercent: 1, workspaces: 0 }
    expect((await rig.as(mine.token).post('/nodes/box1/heartbeat', body)).status).toBe(403)
    expect((await rig.as(rig.nodeToken()).post('/nodes/box1/heartbeat', body)).json).toEqual({ accepted: true })
    expect((await rig.as(rig.nodeToken()).post('/nodes/box2/heartbeat', body)).status).toBe(404)
    await tdf(rig.home, 'cancel', mine.id)
  })
})

describe('a call that is not well made', () => {
  let workspaceId: string
  let token: string
  beforeAll(async () => {
    const mine = await rig.submit({ hangs: true })
    workspaceId = mine.workspaceId
    token = mine.token
  })

  it.each([
    ['seq', { status: 'running' }],
    ['seq', { seq: -1, status: 'running' }],
    ['status', { seq: 1, status: 'walking' }],
  ])('names the field %s', async (field, body) => {
    const answer = await rig.as(token).post(`/workspaces/${workspaceId}/ready`, body)
    expect([answer.status, answer.json.error.field]).toEqual([400, field])
  })

  it('gets the status of the table', async () => {
    const path = `/workspaces/${workspaceId}/ready`
    const json = { 'content-type': 'application/json' }
    const call = (options: object) => rig.as(token).call('POST', path, options)
    expect((await call({ raw: '{', headers: json })).status).toBe(400)
    expect((await call({ raw: '{}', headers: { 'content-type': 'text/plain' } })).status).toBe(415)
    expect((await call({ raw: JSON.stringify({ x: 'y'.repeat(1024 * 1024) }), headers: json })).status).toBe(413)
    expect((await rig.as(token).post('/workspaces/nonesuch/ready', READY)).status).toBe(404)
    expect((await rig.as(token).post('/nothing', READY)).status).toBe(404)
  })

  it('is refused from a browser, and under a foreign host name', async () => {
    const path = `/workspaces/${workspaceId}/ready`
    const with_ = (headers: Record<string, string>) => rig.as(token).call('POST', path, { body: READY, headers })
    expect((await with_({ origin: 'http://localhost' })).status).toBe(403)
    expect((await with_({ host: 'evil.example' })).status).toBe(403)
    expect((await with_({ host: 'localhost:9999' })).status).toBe(200)
  })

  it('finds the door open for a look', async () => {
    const answer = await rig.as('').call('GET', '/healthz', { token: null })
    expect([answer.status, answer.bytes.toString()]).toEqual([200, 'ok'])
  })
})

describe('the control socket', () => {
  it('answers nothing to a browser or a foreign host', async () => {
    const status = (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const call = request(
          { socketPath: rig.home.client.socket, path: '/v1/status', headers: { host: 'tdf', ...headers } },
          response => {
            response.resume()
            resolve(response.statusCode ?? 0)
          },
        )
        call.on('error', reject).end()
      })
    expect(await status({})).toBe(200)
    expect(await status({ origin: 'http://localhost' })).toBe(403)
    expect(await status({ host: 'evil.example' })).toBe(403)
  })

  it('tells what happens, from where a reader was', async () => {
    const { out } = await tdf(rig.home, 'events', '-o', 'ndjson')
    const all = out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const from = all.at(-3).seq
    const response = await rig.home.client.stream({
      path: '/events',
      headers: { accept: 'text/event-stream', 'last-event-id': String(from) },
    })
    const numbers: number[] = []
    for await (const chunk of response) {
      numbers.push(...[...String(chunk).matchAll(/^id: (\d+)$/gm)].map(match => Number(match[1])))
      if (numbers.length >= 2) break
    }
    expect(numbers.slice(0, 2)).toEqual(all.slice(-2).map(({ seq }) => seq))
  })
})

describe('an agent that was replaced', () => {
  it('is refused: its word about a run is not taken for the old one', async () => {
    const mine = await rig.submit({ hangs: true })
    await until('the model is ready', () => rig.agent.workspaces.get(mine.workspaceId)?.status === 'ready')
    await rig.as(mine.token).post(`/workspaces/${mine.workspaceId}/ready`, READY)
    await until('it runs', async () => (await step(mine.id)) === 'running')
    rig.agent.wipe()
    const forged = { stateId: 'forged', cpuPercent: 1, memoryPercent: 1, diskPercent: 1, workspaces: 0 }
    expect((await rig.as(rig.nodeToken()).post('/nodes/box1/heartbeat', forged)).json.accepted).toBe(false)
    await until('the run is lost', async () => (await rig.home.task(mine.id)).verdict === 'infrastructure')
    expect((await rig.home.task(mine.id)).error?.code).toMatch(/^NODE_/)
  })
})
