/** The relay by which agents hand tasks over: a real agent process, and the client of the protocol's own library. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCalls } from '../../../../../src/agent/http/relay-calls.ts'
import type { SessionState } from '../../../../../src/agent/sessions/folder.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { agentOf } from '../support/session.ts'
import { eventually } from '../support/temp.ts'
import { allEvents, logOf, readyWorkspace, repository, sessionBody } from '../support/work.ts'

let agent: AgentProcess
let workspace: string
beforeAll(async () => {
  agent = await startAgentProcess()
  workspace = await readyWorkspace(agent, `file://${repository()}`)
})

/** A session that runs until it is cancelled, and what it was told to call. */
async function session(): Promise<{ url: string; path: string; end(): Promise<void> }> {
  const body = sessionBody(['sh', '-c', 'echo "<$TDF_MCP_URL>"; sleep 600'], { maySpawn: true })
  expect((await agent.post(`/workspaces/${workspace}/agent-sessions`, body)).status).toBe(201)
  const path = `/workspaces/${workspace}/agent-sessions/${body.sessionId}`
  const url = await eventually('it says its url', async () => {
    return /<(.+)>/.exec(await logOf(agent, workspace, body.sessionId))?.[1]
  })
  const end = async () => {
    await agent.post(`${path}/cancel`, {})
    await eventually('it has ended', async () => (await agent.get(path)).json.status === 'exited')
  }
  return { url: url ?? '', path, end }
}

async function rpc(url: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await fetch(url, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'application/json', ...headers },
  })
  const said = await answer.text()
  return { status: answer.status, json: said === '' ? null : JSON.parse(said) }
}
const call = (id: number, name: string, input: object) => ({
  ...{ jsonrpc: '2.0', id, method: 'tools/call' },
  params: { name, arguments: input },
})
const requests = async () => (await allEvents(agent)).filter(({ type }) => type === 'session.request')

it('no port is opened before a task may hand over, also by a restart', async () => {
  await agent.kill('SIGKILL')
  agent = await startAgentProcess({ state: agent.state })
  expect(existsSync(join(agent.state, 'relay.json'))).toBe(false)
})

describe('the relay of a session that may hand tasks over', () => {
  it('is a server for the library of the protocol, and carries a call to the daemon and its answer back', async () => {
    const { url, path, end } = await session()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp\//)
    const client = new Client({ name: 'sdk', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(url)))
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual([
      ...['submit_task', 'list_tasks', 'wait_tasks', 'get_diff', 'cancel_task'],
    ])
    await client.ping()
    const before = (await requests()).length
    const answered = client.callTool({ name: 'submit_task', arguments: { prompt: 'do it' } })
    const [asked] = await eventually('it is asked', async () => {
      const fresh = (await requests()).slice(before)
      return fresh.length > 0 ? fresh : null
    })
    expect(asked).toMatchObject({ workspaceId: workspace, data: { tool: 'submit_task', input: '{"prompt":"do it"}' } })
    const answer = { requestId: asked.data.requestId, isError: false, text: 'it is 7kq2' }
    expect((await agent.post(`${path}/answers`, answer)).status).toBe(200)
    expect(await answered).toEqual({ content: [{ type: 'text', text: 'it is 7kq2' }], isError: false })
    await client.close()
    await end()
    expect((await rpc(url, call(1, 'list_tasks', {}))).status).toBe(401)
  })

  it('asks once for a call that comes again, and is where it was after a restart of the agent', async () => {
    const { url, path, end } = await session()
    const one = call(1, 'list_tasks', {})
    const before = (await requests()).length
    const both = [rpc(url, one), rpc(url, one)]
    const [asked, ...more] = await eventually('it is asked', async () => {
      const fresh = (await requests()).slice(before)
      return fresh.length > 0 ? fresh : null
    })
    expect(more).toEqual([])
    const { requestId } = asked.data
    await agent.post(`${path}/answers`, { requestId, isError: true, text: 'no' })
    for (const { json } of await Promise.all(both)) expect(json.result).toMatchObject({ isError: true })
    await agent.kill('SIGKILL')
    agent = await startAgentProcess({ state: agent.state })
    const again = rpc(url, one)
    const last = await eventually('it is asked anew', async () => {
      const all = await requests()
      return all.length > before + 1 ? all.at(-1) : null
    })
    // By the same name: the daemon knows what it answered.
    expect(last?.data.requestId).toBe(requestId)
    await agent.post(`${path}/answers`, { requestId, isError: false, text: 'yes' })
    expect((await again).json.result.content).toEqual([{ type: 'text', text: 'yes' }])
    await end()
  })

  it('tells the clients of a session apart, which count their calls alike', async () => {
    const { url, path, end } = await session()
    const before = (await requests()).length
    const both = ['one', 'other'].map(client => rpc(url, call(1, 'list_tasks', {}), { 'mcp-session-id': client }))
    const asked = await eventually('both are asked', async () => {
      const fresh = (await requests()).slice(before)
      return fresh.length === 2 ? fresh : null
    })
    for (const { data } of asked) {
      await agent.post(`${path}/answers`, { requestId: data.requestId, isError: false, text: data.requestId })
    }
    const texts = (await Promise.all(both)).map(({ json }) => json.result.content[0].text)
    expect(new Set(texts)).toEqual(new Set(asked.map(({ data }) => data.requestId)))
    expect(texts[0]).not.toBe(texts[1])
    await end()
  })

  it('has another port where its own is taken after a restart', async () => {
    const { path, end } = await session()
    const portOf = () => JSON.parse(readFileSync(join(agent.state, 'relay.json'), 'utf8')).port
    const port = portOf()
    await agent.kill('SIGKILL')
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    agent = await startAgentProcess({ state: agent.state })
    expect((await agent.get(path)).json.status).toBe('running')
    expect(portOf()).not.toBe(port)
    server.close()
    await end()
  })

  it('takes no call from elsewhere, and tells at once what is wrong with one', async () => {
    const { url, end } = await session()
    const before = (await requests()).length
    const wrong = [url.slice(0, -1), `${url}x`, url.replace('~', '~other-'), `${new URL(url).origin}/mcp/x`]
    for (const other of wrong) expect((await rpc(other, call(1, 'list_tasks', {}))).status).toBe(401)
    expect((await rpc(url, call(1, 'list_tasks', {}), { origin: 'http://example.org' })).status).toBe(403)
    expect((await rpc(url, call(1, 'list_tasks', {}), { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await rpc(url, 'x'.repeat(2 * 1024 * 1024))).status).toBe(413)
    expect((await fetch(url)).status).toBe(405)
    expect((await rpc(`${new URL(url).origin}/else`, {})).status).toBe(404)
    expect((await rpc(url, '{"jsonrpc":"2.0"')).status).toBe(400)
    expect((await rpc(url, { jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202)
    const failed = async (body: object) => (await rpc(url, body)).json.error?.code
    expect(await failed({ jsonrpc: '2.0', id: 1, method: 'resources/list' })).toBe(-32_601)
    expect(await failed(call(1, 'rm', {}))).toBe(-32_602)
    expect(await failed(call(1, 'toString', {}))).toBe(-32_602)
    const old = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2001-01-01' } }
    expect((await rpc(url, old)).json.result.protocolVersion).toBe('2025-06-18')
    for (const input of [{}, { prompt: '' }, { prompt: 'x', agent: 'other' }, { prompt: 'x', max_cost: -1 }]) {
      expect((await rpc(url, call(1, 'submit_task', input))).json.result).toMatchObject({ isError: true })
    }
    expect(await requests()).toHaveLength(before)
    await end()
  })

  it('is none for a session that may not, whatever token it has', async () => {
    const body = sessionBody(['sh', '-c', 'echo "<$TDF_MCP_URL>"; sleep 600'])
    expect((await agent.post(`/workspaces/${workspace}/agent-sessions`, body)).status).toBe(201)
    const said = await eventually(
      'it says its url',
      async () => (await logOf(agent, workspace, body.sessionId)) || null,
    )
    expect(said).toBe('<>\n')
    const { port, key } = JSON.parse(readFileSync(join(agent.state, 'relay.json'), 'utf8'))
    const mac = createHmac('sha256', key).update(`${workspace}\n${body.sessionId}`).digest('base64url')
    const url = `http://127.0.0.1:${port}/mcp/${workspace}~${body.sessionId}~${mac}`
    expect((await rpc(url, call(1, 'list_tasks', {}))).status).toBe(401)
    await agent.post(`/workspaces/${workspace}/agent-sessions/${body.sessionId}/cancel`, {})
  })
})

describe('calls of one workspace', () => {
  it('are bounded: how many wait at once, how many there are, and how long they are', async () => {
    const { agent: own } = agentOf(realWorld(), ['true'])
    const calls = createCalls(() => own)
    const request = { workspaceId: 'w1', sessionId: 's1', taskId: 't1', attempt: 1 }
    const one = { request } as SessionState
    const waiting = Array.from({ length: 8 }, (_, n) => calls.call(one, [n], 'list_tasks', '{}'))
    expect((await calls.call(one, [9], 'list_tasks', '{}')).text).toBe('too many calls wait for the daemon at once')
    const elsewhere = { request: { ...request, workspaceId: 'w3' } } as SessionState
    const another = calls.call(elsewhere, [1], 'list_tasks', '{}')
    calls.stop()
    expect((await another).text).toMatch(/^the daemon has not answered yet/)
    expect((await Promise.all(waiting)).map(({ isError }) => isError)).toEqual(Array(8).fill(true))
    expect((await calls.call(one, [9], 'list_tasks', 'x'.repeat(70_000))).text).toMatch(/over 65536 characters/)
    // What was answered lately is answered at once, and not kept for ever.
    const kept = () => calls.call(elsewhere, [1], 'list_tasks', '{}')
    const told = (requestId: string) => calls.answered('w3', { requestId, isError: false, text: 'so it is' })
    told(String(own.outbox.of('w3')[0]?.data.requestId))
    expect((await kept()).text).toBe('so it is')
    for (let n = 0; n < 200; n++) told(`r${n}`)
    const forgotten = kept()
    calls.stop()
    expect((await forgotten).text).toMatch(/^the daemon has not answered yet/)
    const data = { attempt: 1, sessionId: 's1', requestId: 'r', tool: 'x', input: 'x'.repeat(60_000) }
    for (let n = 0; n < 290; n++) {
      own.outbox.add({ type: 'session.request', workspaceId: 'w1', taskId: 't1', attempt: 1, sessionId: 's1', data })
    }
    expect((await calls.call(one, [10], 'list_tasks', '{}')).text).toBe('this task has made all the calls that it may')
    const other = { request: { ...request, workspaceId: 'w2' } } as SessionState
    const short = { type: 'session.request', workspaceId: 'w2', taskId: 't1', attempt: 1, sessionId: 's1' }
    for (let n = 0; n < 2_000; n++) own.outbox.add({ ...short, data: { ...data, input: '' } })
    expect((await calls.call(other, [1], 'list_tasks', '{}')).text).toBe('this task has made all the calls that it may')
  })
})
