/** What is read for a node: the outbox of its agent, and what a decision about it is made from. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeContext, nodeInput } from '../../../../daemon/nodes/node-context.ts'
import { pull } from '../../../../daemon/nodes/pull.ts'
import { runNode } from '../../../../daemon/nodes/run-node.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import type { ReadNode } from '../../../../src/store/tables/nodes.ts'
import { readHeartbeat, readNode } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

const { signal } = new AbortController()
let all: Lives
beforeEach(async () => {
  all = await lives()
  await all.until(() => node().status === 'ready', MIN)
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const node = (change: Partial<ReadNode> = {}) => ({ ...(readNode(sql(), 'n1') as ReadNode), ...change })
const agent = () => all.agent()
const asked = () => agent().requests.filter(request => request === 'GET /events').length
const alerts = () => due(sql(), 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)

/** Puts `count` events of a kind that nobody knows into the outbox; answers the number of the last. */
function tell(count: number, about: object = {}): number {
  const { events } = agent()
  const first = (events.at(-1)?.seq ?? 0) + 1
  const plain = { at: new Date(0).toISOString(), type: 'x', workspaceId: null, taskId: null, attempt: null }
  for (let nth = 0; nth < count; nth++) {
    events.push({ ...plain, sessionId: null, data: {}, ...about, seq: first + nth })
  }
  return first + count - 1
}

describe('the outbox of an agent', () => {
  it('is read from the cursor to its end, page by page', async () => {
    const last = tell(501)
    const before = asked()
    expect(await pull(all.life.engine, node({ cursor: 0 }), signal)).toBe(last)
    expect(asked() - before).toBe(2)
    expect(await pull(all.life.engine, node({ cursor: last }), signal)).toBe(last)
    expect(asked() - before).toBe(3)
  })

  it('is read on after a page that is not full when the agent says that there is more', async () => {
    const cursors: number[] = []
    const pages = [[1, 2], [3], []]
    const events = async (after: number) => {
      cursors.push(after)
      const page = pages.shift() ?? []
      const rows = page.map(seq => ({ seq, at: '', type: 'x', workspaceId: null, sessionId: null, data: {} }))
      return { stateId: 'another', events: rows, more: true }
    }
    const engine = { ...all.life.engine, agents: { ...all.life.engine.agents, of: async () => ({ events }) } }
    expect(await pull(engine as never, node({ cursor: 0, stateId: null }), signal)).toBe(3)
    expect(cursors).toEqual([0, 2, 3])
  })

  it('is left for the next time after twenty pages', async () => {
    tell(20 * 500 + 1)
    const before = asked()
    const cursor = await pull(all.life.engine, node({ cursor: 0 }), signal)
    expect([cursor, asked() - before]).toEqual([20 * 500, 20])
    expect(await pull(all.life.engine, node({ cursor }), signal)).toBe(cursor + 1)
  })

  it('of another state is not taken', async () => {
    tell(1)
    const wrong = { ...all.life.engine, agents: { ...all.life.engine.agents, of: () => client } }
    const client = all.life.engine.agents.of(node(), signal)
    const message = `n1 came back with another state (${agent().stateId})`
    const replaced = expect.objectContaining({ code: 'NODE_REPLACED', message })
    await expect(pull(wrong, node({ stateId: 'old' }), signal)).rejects.toThrow(replaced)
    expect(await pull(wrong, node({ stateId: null }), signal)).toBeGreaterThan(0)
  })

  it('counts as a heartbeat, which keeps the load that was said last', async () => {
    const load = { cpuPercent: 5, memoryPercent: 20, diskPercent: 30 }
    await all.life.world.clock.advance(1)
    sql().run('update heartbeats set at = 1')
    await pull(all.life.engine, node(), signal)
    const now = all.life.world.clock.now()
    expect(readHeartbeat(sql(), 'n1')).toEqual({ at: now, ...load })
    sql().run('delete from heartbeats')
    await pull(all.life.engine, node(), signal)
    const unknown = { cpuPercent: null, memoryPercent: null, diskPercent: null }
    expect(readHeartbeat(sql(), 'n1')).toEqual({ at: now, ...unknown })
  })

  it.each([
    ['fifty rows', 0, 3],
    ['what five milliseconds hold', 3, 60],
    ['one row', 6, 120],
  ])('is stored by writes of at most %s, so that everything else gets its turn', async (_, msPerRow, writes) => {
    tell(120)
    const { engine, world } = all.life
    let [count, mono] = [0, 0]
    const store = {
      ...engine.store,
      commit: (write: () => unknown) => {
        count += 1
        return engine.store.commit(write)
      },
    }
    const clock = { ...world.clock, mono: () => (mono += msPerRow) }
    await pull({ ...engine, store, world: { ...world, clock } } as never, node({ cursor: 0 }), signal)
    // The first one is the heartbeat.
    expect(count - 1).toBe(writes)
  })

  it('that speaks of a workspace on another node is not believed, which is put on record', async () => {
    const said: unknown[] = []
    const log = { ...all.life.engine.log, warn: (about: unknown, message: string) => said.push([about, message]) }
    const engine = { ...all.life.engine, log }
    tell(2)
    const cursor = await pull(engine, node({ cursor: 0 }), signal)
    expect([said, alerts()]).toEqual([[], []])
    const id = await all.submit({}, { ms: HOUR, busy: true })
    await all.until(() => all.life.task(id).step === 'running', HOUR)
    const workspaceId = all.life.task(id).workspaceId
    const from = tell(1, { type: 'session.exited', workspaceId, data: { attempt: 'x' } }) - 1
    await pull(engine, node({ cursor: from }), signal)
    const message = 'events of a node were not taken'
    expect(said).toEqual([[{ node: 'n1', unreadable: 1, foreign: 0, refused: 0 }, message]])
    expect(alerts()).toEqual([])
    sql().run("update workspaces set node_name = 'n2'")
    tell(1, { type: 'session.exited', workspaceId, data: { attempt: 'x' } })
    await pull(engine, node({ cursor: from }), signal)
    expect(said[1]).toEqual([{ node: 'n1', unreadable: 0, foreign: 2, refused: 0 }, message])
    const why = 'node n1 reports on workspaces that are not on it; nothing of that counts'
    expect(alerts()).toMatchObject([{ source: 'node', code: 'AGENT_PROTOCOL', message: why }])
    expect(cursor).toBeGreaterThan(0)
  })
})

describe('a decision about a node', () => {
  it('is made from what is there now, and from when the look began', async () => {
    const now = all.life.world.clock.now()
    const idle = { workspaces: 0, reservations: 0, unsaved: 0, unsavedAttempts: 0, keepsMachines: false }
    expect(nodeInput(all.life.engine, node())).toMatchObject({ now, lookedAt: now, ...idle })
    expect(nodeInput(all.life.engine, node(), 7)).toMatchObject({ now, lookedAt: 7 })
    all.life.engine.admission.set('restore', 'restored')
    const id = await all.submit({}, { ms: HOUR, busy: true })
    all.life.engine.admission.set('restore', null)
    await all.until(() => all.life.task(id).step === 'running', HOUR)
    expect(nodeInput(all.life.engine, node())).toMatchObject({ workspaces: 1, keepsMachines: false })
    all.life.engine.admission.set('restore', 'restored')
    expect(nodeInput(all.life.engine, node()).keepsMachines).toBe(true)
  })

  it('may vary size and location of a machine as long as no task that waits for it has asked for them', async () => {
    const specs = { plain: {}, sized: { size: 'large' }, placed: { location: 'here' } }
    for (const [id, spec] of Object.entries(specs)) {
      agent().faults.down = true
      sql().run("update nodes set status = 'lost'")
      await all.submit(spec, {}, id)
    }
    const reserved = (ids: string[]) => {
      sql().run('delete from reservations')
      for (const id of ids) {
        sql().run(`insert into reservations (task_id, attempt, node_name, created_at) values (?, 1, 'n1', 0)`, id)
      }
      const ctx = nodeContext(all.life.engine, node(), signal)
      return [ctx.reservations, ctx.mayVary()]
    }
    expect(reserved([])).toEqual([0, { size: true, location: true }])
    expect(reserved(['plain', 'nobody'])).toEqual([2, { size: true, location: true }])
    expect(reserved(['plain', 'sized'])).toEqual([2, { size: false, location: true }])
    expect(reserved(['placed', 'plain'])).toEqual([2, { size: true, location: false }])
  })

  it('reaches the agent of the node and the provider that it is from', async () => {
    const { engine } = all.life
    const ctx = nodeContext(engine, node(), signal)
    expect([ctx.provider, ctx.agents, ctx.signal]).toEqual([engine.providers.static, engine.agents, signal])
    expect(nodeContext(engine, node({ provider: 'hetzner' }), signal).provider).toBeUndefined()
    const last = tell(1)
    expect(await ctx.pull(node())).toBe(last)
    expect(await ctx.handshake(node())).toMatchObject({ kind: 'handshaken', stateId: agent().stateId })
  })
})

describe('a look at a node that fails', () => {
  let said: string[]
  const look = async (error: Error, facts: object = {}) => {
    const { engine } = all.life
    said = []
    const log = {
      ...engine.log,
      warn: (about: object, message: string) => said.push(`warn ${message}: ${Object.values(about).slice(0, 2)}`),
      error: ({ err }: { err: string }, message: string) => said.push(`error ${message}: ${err.includes('    at ')}`),
    }
    sql().run("update nodes set status = 'booting', facts = ?", JSON.stringify(facts))
    const agents = { ...engine.agents, forget() {}, unverified: () => Promise.reject(error) }
    await runNode({ ...engine, log, agents } as never, 'n1', signal)
    return alerts()
  }

  it('by a fault of ours is in the log with its place', async () => {
    expect(await look(new Error('x'))).toEqual([])
    expect(said).toEqual(['error a node could not be run: true'])
  })

  it('by what its agent said is put on record', async () => {
    const record = [{ source: 'node', code: 'AGENT_PROTOCOL', message: 'x' }]
    expect(await look(new TdfError('AGENT_PROTOCOL', 'x'))).toMatchObject(record)
    expect(said).toEqual([])
  })

  it('by its provider is in the log once, and on record when people have to mend it', async () => {
    expect(await look(new TdfError('CAPACITY', 'x'))).toEqual([])
    expect(said).toEqual(['warn the provider could not do it yet: n1,CAPACITY'])
    expect(await look(new TdfError('CAPACITY', 'x'), { tries: 1 })).toEqual([])
    expect(said).toEqual([])
    const record = [{ source: 'provider', code: 'PROVIDER_AUTH', message: 'x' }]
    expect(await look(new TdfError('PROVIDER_AUTH', 'x'), { tries: 1 })).toMatchObject(record)
  })

  it('by a way that is closed is waited for without a word', async () => {
    expect(await look(new TdfError('NODE_UNREACHABLE', 'x'))).toEqual([])
    expect([said, node().waitingFor]).toEqual([[], 'x'])
  })

  it('that is not due, or is about nothing, asks nobody', async () => {
    const { engine } = all.life
    sql().run('update nodes set wake_at = null')
    const before = [agent().requests.length, node().rev]
    await runNode(engine, 'n1', signal)
    await runNode(engine, 'nobody', signal)
    expect([agent().requests.length, node().rev]).toEqual(before)
  })
})
