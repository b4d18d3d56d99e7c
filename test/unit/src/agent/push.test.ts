/** Pushes: tried until they are taken, final where they are refused for good, and always to be had by pulling. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from './support/agent.ts'
import { eventually } from './support/temp.ts'
import { allEvents, readyWorkspace, repository, runScript } from './support/work.ts'

interface Taken {
  path: string
  token: string
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked into freely
  body: any
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function daemon(answer: (path: string, count: number) => number) {
  const taken: Taken[] = []
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const path = request.url ?? ''
      const count = (counts.get(path) ?? 0) + 1
      counts.set(path, count)
      const status = answer(path, count)
      const body = JSON.parse(Buffer.concat(chunks).toString() || 'null')
      taken.push({ path, token: request.headers.authorization ?? '', body })
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify({ accepted: status === 200 }))
    })
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const of = (path: string) => taken.filter(one => one.path === path)
  return { url, taken, of }
}

async function register(agent: AgentProcess, url: string, heartbeatMs = 60_000) {
  const body = { nodeName: 'n1', installId: 'install', heartbeatMs, callback: { url, token: 'node-token' } }
  expect((await agent.put('/registration', body)).status).toBe(204)
}

describe('a push', () => {
  it('comes with the tokens and bodies of the callback table', async () => {
    const home = await daemon(() => 200)
    const agent = await startAgentProcess({ name: 'n1' })
    await register(agent, home.url)
    const id = await readyWorkspace(agent, `file://${repository()}`)
    const end = await runScript(agent, id, 'exit 2')
    await eventually('the end was told', () => home.of('/tasks/task-1/status').length > 0)
    expect(home.of('/nodes/n1/ready')[0]).toMatchObject({
      token: 'Bearer node-token',
      body: { stateId: expect.any(String) },
    })
    const [ready] = home.of(`/workspaces/${id}/ready`)
    expect(ready).toMatchObject({
      token: 'Bearer workspace-token',
      body: { seq: expect.any(Number), status: 'running' },
    })
    expect(home.of('/tasks/task-1/status')[0]?.body).toMatchObject({
      ...{ attempt: 1, sessionId: end.sessionId, status: 'failed', exitCode: 2, signal: null },
    })
  })

  it('is tried again while the daemon cannot store it, and once it is taken no more', async () => {
    const home = await daemon((_, count) => (count < 3 ? 503 : 200))
    const agent = await startAgentProcess({ name: 'n1' })
    await register(agent, home.url)
    const id = await readyWorkspace(agent, `file://${repository()}`)
    await eventually('it was taken', () => home.of(`/workspaces/${id}/ready`).length === 3)
    await runScript(agent, id, 'true')
    expect(home.of(`/workspaces/${id}/ready`)).toHaveLength(3)
  })

  it('that is malformed to the daemon is not tried again, and can be pulled', async () => {
    const home = await daemon(path => (path.endsWith('/ready') ? 400 : 200))
    const agent = await startAgentProcess({ name: 'n1' })
    await register(agent, home.url)
    const id = await readyWorkspace(agent, `file://${repository()}`)
    await eventually('it was refused', () => home.of(`/workspaces/${id}/ready`).length === 1)
    await runScript(agent, id, 'sleep 1.5')
    expect(home.of(`/workspaces/${id}/ready`)).toHaveLength(1)
    expect((await allEvents(agent)).some(({ type }) => type === 'workspace.ready')).toBe(true)
  })

  it('survives the death of the agent', async () => {
    const deaf = await daemon(() => 503)
    const agent = await startAgentProcess({ name: 'n1' })
    await register(agent, deaf.url)
    const id = await readyWorkspace(agent, `file://${repository()}`)
    await agent.kill('SIGKILL')
    const home = await daemon(() => 200)
    const again = await startAgentProcess({ state: agent.state, name: 'n1' })
    await register(again, home.url)
    await eventually('it was told', () => home.of(`/workspaces/${id}/ready`).length > 0)
  })

  it('of a heartbeat comes as often as was asked', async () => {
    const home = await daemon(() => 200)
    const agent = await startAgentProcess({ name: 'n1' })
    await register(agent, home.url, 100)
    await eventually('three came', () => home.of('/nodes/n1/heartbeat').length >= 3)
    expect(home.of('/nodes/n1/heartbeat')[0]?.body).toMatchObject({
      ...{ stateId: expect.any(String), cpuPercent: expect.any(Number), memoryPercent: expect.any(Number) },
      ...{ diskPercent: expect.any(Number), workspaces: 0 },
    })
  })

  it('keeps no answer waiting for events longer than was asked, and ends with the first', async () => {
    const agent = await startAgentProcess({ name: 'n1' })
    const waiting = agent.get('/events?after=0&wait=30')
    await readyWorkspace(agent, `file://${repository()}`)
    expect((await waiting).json.events[0]).toMatchObject({ type: 'workspace.ready' })
  })
})
