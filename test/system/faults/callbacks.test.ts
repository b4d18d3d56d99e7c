/** What nodes call, and what others try to: through the real server. Numbers and names are those of docs/faults.md. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CallbackRig, callbackRig, type Submitted } from '../../support/daemon/callback-rig.ts'
import { tdf, until } from '../../support/daemon/home.ts'

let rig: CallbackRig
let mine: Submitted
let other: Submitted
beforeAll(async () => {
  // Nothing is found by looking: what moves a task here is what it is told.
  rig = await callbackRig('[runner]\nworkspace_ready_poll_interval = "10m"\nreconcile_interval = "10m"\n')
  mine = await rig.submit({ hangs: true })
  other = await rig.submit({ hangs: true })
})
afterAll(() => rig.end())

const READY = { seq: 1, status: 'running' }
const exited = ({ sessionId }: Submitted, more: object = {}) => ({
  ...{ seq: 2, attempt: 1, sessionId, status: 'completed', exitCode: 0, signal: null },
  ...more,
})
const readyPath = ({ workspaceId }: Submitted) => `/workspaces/${workspaceId}/ready`
const stateOf = async ({ id }: Submitted) => {
  const { status, step, verdict, attempt } = await rig.home.task(id)
  return { status, step, verdict, attempt }
}

it('67 forged: every false token is refused in one shape, and nothing changes', async () => {
  const before = await stateOf(mine)
  const tokens: [string, number][] = [
    ['', 401],
    ['never-issued', 401],
    [mine.token.slice(0, -1), 401],
    [`${mine.token}x`, 401],
    [mine.token.toUpperCase(), 401],
    ['eyJhbGciOiJub25lIn0.e30.', 401],
    ['x'.repeat(7_000), 401],
    [other.token, 403],
    [rig.nodeToken(), 403],
  ]
  for (const [token, status] of tokens) {
    const answer = await rig.as(token).post(readyPath(mine), READY)
    expect([answer.status, Object.keys(answer.json)], token.slice(0, 20)).toEqual([status, ['error']])
  }
  expect(await stateOf(mine)).toEqual(before)
})

it('68 replay: a token says nothing about another workspace, also after a restart', async () => {
  await rig.restart()
  expect((await rig.as(mine.token).post(readyPath(other), READY)).status).toBe(403)
  expect((await rig.as(mine.token).post(`/tasks/${other.id}/status`, exited(other))).status).toBe(403)
  expect((await rig.as(mine.token).post(readyPath(mine), READY)).json).toEqual({ accepted: true })
})

it('62 duplicate: the same word a hundred times is one fact', async () => {
  const asked = rig.agent.starts.get(mine.sessionId) ?? 0
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => rig.as(mine.token).post(readyPath(mine), { ...READY, seq: index })),
  )
  expect(new Set(answers.map(({ status, json }) => `${status} ${JSON.stringify(json)}`))).toEqual(
    new Set(['200 {"accepted":true}']),
  )
  await until('it runs', async () => (await rig.home.task(mine.id)).step === 'running')
  expect((rig.agent.starts.get(mine.sessionId) ?? 0) - asked).toBeLessThanOrEqual(1)
  const { out } = await tdf(rig.home, 'events', '-o', 'ndjson')
  const entered = out.split('\n').filter(line => line.includes(mine.id) && line.includes('"to":"running"'))
  expect(entered).toHaveLength(1)
})

it('63+65 early, out-of-order: the end that comes before the beginning waits for its step, and is used there', async () => {
  // By itself it never ends: nothing but the early call says so.
  const early = await rig.submit({ hangs: true })
  expect((await rig.as(early.token).post(`/tasks/${early.id}/status`, exited(early, { seq: 9 }))).status).toBe(200)
  await until('the model is ready', () => rig.agent.workspaces.get(early.workspaceId)?.status === 'ready')
  // It was told that the run has ended, and goes on to wait for the beginning of it.
  expect(await stateOf(early)).toEqual({ status: 'delegated', step: 'workspace_ready', verdict: null, attempt: 1 })
  await rig.as(early.token).post(readyPath(early), READY)
  await until('the end is used', async () => (await rig.home.task(early.id)).step === 'salvage', 20_000)
  expect((await rig.home.task(early.id)).session).toMatchObject({ status: 'exited', exitCode: 0 })
  expect(rig.agent.starts.get(early.sessionId)).toBe(1)
  const { out } = await tdf(rig.home, 'events', '-o', 'ndjson')
  const lines = out.split('\n').filter(line => line.includes(early.id) && line.includes('"type":"task.step"'))
  const steps = lines.map(line => /"to":"(\w+)"/.exec(line)?.[1])
  expect(steps.slice(steps.indexOf('workspace_ready'))).toEqual([
    'workspace_ready',
    'agent_session',
    'running',
    'salvage',
  ])
  await tdf(rig.home, 'cancel', early.id)
})

it('64 late: after the end everything is answered and nothing is changed', async () => {
  const late = await rig.submit({ hangs: true })
  await tdf(rig.home, 'cancel', late.id)
  await until('it is over', async () => (await rig.home.task(late.id)).status === 'cancelled')
  for (const [path, body] of [
    [readyPath(late), READY],
    [`/workspaces/${late.workspaceId}/provisioning-failed`, { seq: 3, errorMessage: 'too late' }],
    [`/tasks/${late.id}/status`, exited(late)],
  ] as const) {
    const answer = await rig.as(late.token).post(path, body)
    expect([answer.status, answer.json]).toEqual([200, { accepted: false, reason: expect.any(String) }])
  }
  expect(await stateOf(late)).toMatchObject({ status: 'cancelled', verdict: 'cancelled' })
})

const json = { 'content-type': 'application/json' }

it.each([
  ['a length that is a lie', '{', { ...json, 'content-length': '1000000000' }, 413],
  ['more than may be', JSON.stringify({ seq: 1, status: 'running', x: 'y'.repeat(1024 * 1024) }), json, 413],
  ['a hundred thousand nests', `{"a":${'['.repeat(100_000)}`, json, 400],
  ['a prototype', '{"__proto__":{"seq":1,"status":"running"}}', json, 400],
  ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), json, 400],
  ['nothing', '', json, 400],
])('71 oversized and odd: %s is refused, and the next call is answered', async (_, raw, headers, status) => {
  const answer = await rig
    .as(other.token)
    .call('POST', readyPath(other), { raw, headers })
    .catch(error => ({ status: Number(/cut|reset|ECONN|socket/i.test(String(error))) * status }))
  expect(answer.status).toBe(status)
  expect((await rig.as('').call('GET', '/healthz', { token: null })).status).toBe(200)
})

it('71 oversized: a body without end is cut at its bound', async () => {
  const sent = await new Promise<{ status: number; bytes: number }>(resolve => {
    const { port } = new URL(rig.url())
    const socket = connect(Number(port), '127.0.0.1')
    let [bytes, text] = [0, '']
    socket.write(
      `POST ${readyPath(other)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${other.token}\r\n` +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const chunk = Buffer.from(`10000\r\n${' '.repeat(65_536)}\r\n`)
    const more = () => {
      if (bytes > 64 * 1024 * 1024 || socket.destroyed) return
      bytes += chunk.length
      if (socket.write(chunk)) setImmediate(more)
    }
    socket.on('drain', more)
    socket.on('data', data => {
      text += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve({ status: Number(text.split(' ')[1] ?? 0), bytes }))
    more()
    socket.on('end', () => socket.destroy())
  })
  expect([413, 0]).toContain(sent.status)
  expect(sent.bytes).toBeLessThan(32 * 1024 * 1024)
})

it.each([
  ['two lengths', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'],
  ['an unknown coding', 'Transfer-Encoding: identity, chunked, x\r\n'],
  ['a line folded', 'X: a\r\n b\r\nContent-Length: 2\r\n'],
])('72 smuggling: %s get no second request through', async (_, headers) => {
  const text = await rawCall(
    `POST ${readyPath(other)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n${headers}\r\n{}GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  )
  expect(text).toMatch(/^HTTP\/1\.1 4\d\d/)
  expect(text).not.toContain('\r\n\r\nok')
})

it.each(['..%2f..%2fetc', '%00', 'x'.repeat(4_096), '%E2%80%AE', 'a%0d%0aSet-Cookie:x', '..', '{id}'])(
  '73 path-tricks: the id %s is nobody',
  async id => {
    const answer = await rig.as(mine.token).post(`/workspaces/${id}/ready`, READY)
    expect([400, 404]).toContain(answer.status)
    expect(answer.headers['set-cookie']).toBe(undefined)
  },
)

it('66 concurrent: ready and its opposite at one moment have one winner', async () => {
  const both = await rig.submit({ hangs: true })
  await until('it waits', async () => (await rig.home.task(both.id)).step === 'workspace_ready')
  await Promise.all([
    rig.as(both.token).post(readyPath(both), READY),
    rig.as(both.token).post(`/workspaces/${both.workspaceId}/provisioning-failed`, { seq: 2, errorMessage: 'no' }),
  ])
  await until('one has won', async () => (await rig.home.task(both.id)).step !== 'workspace_ready')
  await tdf(rig.home, 'cancel', both.id)
  const isOver = async () => (await rig.home.task(both.id)).completedAt !== null
  await until('it is over', isOver)
  const { out } = await tdf(rig.home, 'events', '-o', 'ndjson')
  const ends = out.split('\n').filter(line => line.includes(both.id) && /"to":"(failed|cancelled)"/.test(line))
  expect(ends).toHaveLength(1)
})

function rawCall(text: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(Number(new URL(rig.url()).port), '127.0.0.1')
    let answer = ''
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('data', data => {
      answer += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.end(text)
  })
}
