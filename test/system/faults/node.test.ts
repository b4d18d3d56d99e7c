/** Nodes and agents that die, hang, lie or change. Numbers and names are those of docs/faults.md. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { agentClient } from '../../../src/clients/agent.ts'
import { httpTransport } from '../../../src/clients/transport.ts'
import { realWorld } from '../../../src/platform/world.ts'
import { AGENT_PROTOCOL } from '../../../src/protocol/agent-api.ts'
import { readNode } from '../../../src/store/tables/nodes.ts'
import { aConfig } from '../../support/builders.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../support/daemon/lives.ts'

describe('an engine', () => {
  let all: Lives
  afterEach(() => all.end())
  const task = (id = 'task-1') => all.life.task(id)
  const RUN = { ms: HOUR, commits: 1, busy: true }
  const running = async (options: object = {}) => {
    all = await lives({ config: aConfig({ nodes: { lostAfter: 15 * MIN, heldMax: DAY } }), ...options })
    await all.submit({}, RUN)
    await all.until(() => task().step === 'running')
  }

  it('52 agent-dies: it is said at once, lost after its time, and the work waits for it', async () => {
    await running()
    all.agent().faults.down = true
    await all.until(() => false, 5 * MIN)
    expect(readNode(all.life.engine.store.sql, 'n1')?.waitingFor).toMatch(/no heartbeat for \d+ s/)
    expect(task()).toMatchObject({ status: 'in_progress' })
    expect(await all.until(() => task().status === 'failed', HOUR)).toBe(true)
    expect(task()).toMatchObject({ verdict: 'infrastructure', error: { code: 'NODE_LOST' } })
    all.agent().faults.down = false
    expect(await all.until(() => task().cleanup === 'done', DAY)).toBe(true)
    // What the agent had done until then came home late.
    expect(all.out.results.refs.get('refs/tdf/task-1/1')).toBeDefined()
    expect(all.agent().lostWork).toEqual([])
  })

  it('57 node-address-reused: another agent at the address is not taken for the node', async () => {
    await running()
    all.agent().name = 'somebody-else'
    await all.until(() => false, 5 * MIN)
    expect(readNode(all.life.engine.store.sql, 'n1')?.waitingFor).toMatch(/wrong_node|answers as node somebody-else/)
    expect(task().status).toBe('in_progress')
    all.agent().name = 'n1'
    expect(await all.rest()).toBe(true)
    expect(task().status).toBe('completed')
  })

  it('56 wrong-agent-version: a newer protocol is not spoken to, and said; what waits goes on when it is the same', async () => {
    all = await lives()
    all.agent().protocol = AGENT_PROTOCOL + 1
    await all.begin()
    await all.submit()
    await all.until(() => false, 5 * MIN)
    expect(task().status).toBe('queued')
    expect(all.agent().workspaces.size).toBe(0)
    const said = readNode(all.life.engine.store.sql, 'n1')?.waitingFor
    expect(said).toContain(`speaks protocol ${AGENT_PROTOCOL + 1}, and this daemon ${AGENT_PROTOCOL}`)
    all.agent().protocol = AGENT_PROTOCOL
    expect(await all.rest()).toBe(true)
    expect(task().status).toBe('completed')
  })

  it('58 ready-never-arrives: the step ends at its deadline, and what was begun is removed', async () => {
    all = await lives()
    all.agent().faults.buildHangs = true
    await all.submit()
    expect(await all.rest()).toBe(true)
    expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure', error: { code: 'STEP_DEADLINE' } })
    expect(all.agent().workspaces.size).toBe(0)
  })

  it('59 provisioning-failed: ends at once with the words of the node, long before its deadline', async () => {
    all = await lives()
    all.agent().faults.buildFails = 'npm ci: EACCES'
    const from = all.out.time.now
    await all.submit()
    expect(await all.until(() => task().status === 'failed', MIN)).toBe(true)
    expect(task().error?.message).toContain('npm ci: EACCES')
    expect(all.out.time.now - from).toBeLessThan(10_000)
  })

  it('61 zombie: a node that calls for a run that is over is answered, and changes nothing', async () => {
    await running()
    const body = all.agent().workspaces.get('task-1-1-1')?.body
    await all.life.engine.signal({ kind: 'cancel', taskId: 'task-1' })
    await all.rest()
    const before = task()
    for (const [path, what] of [
      ['/workspaces/task-1-1-1/ready', { seq: 9, status: 'running' }],
      [
        '/tasks/task-1/status',
        { seq: 10, attempt: 1, sessionId: 'task-1-1-1-s1', status: 'completed', exitCode: 0, signal: null },
      ],
    ] as const) {
      const answer = await all.out.callbacks.app?.request(path, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${body?.callback.token}`,
          'content-type': 'application/json',
          host: 'localhost',
        },
        body: JSON.stringify(what),
      })
      expect([answer?.status, await answer?.json()]).toEqual([200, { accepted: false, reason: expect.any(String) }])
    }
    await all.until(() => false, MIN)
    expect(task()).toEqual(before)
  })
})

describe('an agent client', () => {
  const servers: http.Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  async function clientOf(answer: http.RequestListener, timeoutMs = 30_000) {
    const server = http.createServer(answer)
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const transport = httpTransport({ url: `http://127.0.0.1:${port}` })
    return agentClient({ world: realWorld(), nodeName: 'box1', token: 'x', transport, timeoutMs })
  }

  it('54 hung-TCP: a peer that never answers is given up after the limit of the call', async () => {
    const client = await clientOf(() => {}, 200)
    await expect(client.health()).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
      message: /no answer within 200 ms/,
    })
  })

  it('54 hung-TCP: so is one that begins to answer and then falls silent', async () => {
    const client = await clientOf((_, response) => void response.write('{"status":'), 200)
    await expect(client.health()).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })

  it.each([
    ['no JSON', 'garbage'],
    ['JSON of another shape', '{"status":7}'],
    ['a deep nest', '['.repeat(100_000)],
  ])('55 garbage: %s is a protocol error with the name of the node, never a crash', async (_, body) => {
    const client = await clientOf((_request, response) => void response.end(body))
    await expect(client.health()).rejects.toMatchObject({ code: 'AGENT_PROTOCOL', message: /box1/ })
  })

  it('55 huge: a body without end is cut at its bound', async () => {
    let sent = 0
    const client = await clientOf((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536
        sent += 65_536
      }
      response.on('drain', more)
      more()
    })
    await expect(client.health()).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(sent).toBeLessThan(32 * 1024 * 1024)
  })

  it('33 HTML 502: what a proxy answers is an error that is tried again', async () => {
    const client = await clientOf((_, response) => {
      response.statusCode = 502
      response.end('<html>Bad Gateway</html>')
    })
    await expect(client.health()).rejects.toMatchObject({ code: 'AGENT_BUSY', class: 'transient' })
  })
})
