/** What a placement pass sees of the nodes and of the queue, and what it writes. */
import { afterEach, describe, expect, it } from 'vitest'
import { nodeSubject } from '../../../../daemon/engine/loop.ts'
import { capacitiesOf, counts, createPlacement, offersOf } from '../../../../daemon/placement/pass.ts'
import { credentialOf } from '../../../../src/core/agent.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { raiseLimit } from '../../../../src/store/tables/meta.ts'
import { readNode, readNodes, writeHeartbeat } from '../../../../src/store/tables/nodes.ts'
import { reservationOf, reserve } from '../../../../src/store/tables/slots.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const step = (id: string) => all.life.task(id).step
const node = (name = 'n1') => {
  const found = readNode(sql(), name)
  if (!found) throw new Error(`there is no node ${name}`)
  return found
}
const reserved = (id: string) => reservationOf(sql(), { id, attempt: 1 })?.nodeName ?? null
const ready = () => all.until(() => readNodes(sql()).every(({ status }) => status === 'ready'), MIN)

describe('the room on a node', () => {
  const capacity = (change = {}) => capacitiesOf(all.life.engine, [{ ...node(), ...change }], now())[0]

  it('is what it says of itself, and nothing is made up before it has spoken', async () => {
    all = await lives()
    await ready()
    sql().run('delete from heartbeats')
    expect(capacity()).toMatchObject({ name: 'n1', cpuPercent: null, memoryPercent: null, silentMs: null, used: 0 })
    const beat = { at: now() - MIN, cpuPercent: 12, memoryPercent: 34 }
    writeHeartbeat(sql(), 'n1', { diskPercent: 1, workspaces: 0, agentVersion: 'x', ...beat } as never)
    expect(capacity()).toMatchObject({ cpuPercent: 12, memoryPercent: 34, silentMs: MIN, slots: node().maxWorkspaces })
    expect(capacity({ status: 'booting' })).toMatchObject({ silentMs: null })
    expect(capacity({ facts: { suspect: 'x' } })).toMatchObject({ suspect: 'x' })
  })

  it('is none on a machine that was taken in, until it is known what is on it', async () => {
    all = await lives()
    await ready()
    reserve(sql(), { id: 'task-1', attempt: 1, nodeName: 'n1' }, now())
    expect(capacity()).toMatchObject({ used: 1, slots: node().maxWorkspaces })
    expect(capacity({ facts: { adopted: true } })).toMatchObject({ used: 1, slots: 1 })
  })

  it('is not taken by a task that rests on the local node, and is by one that rests elsewhere', async () => {
    all = await lives()
    await ready()
    const id = await all.submit({}, { hangs: true, busy: true })
    await all.until(() => step(id) === 'running', HOUR)
    sql().run("update attempts set status = 'parked', step = 'agent_session', parked_until = ?", now() + HOUR)
    expect(capacity()).toMatchObject({ used: 1 })
    expect(capacity({ provider: 'local' })).toMatchObject({ used: 0 })
  })
})

describe('machines', () => {
  it('count against max_nodes when they are ours, until they are gone', async () => {
    all = await lives()
    expect(counts(node())).toBe(false)
    expect(counts({ ...node(), autoProvisioned: true })).toBe(true)
    expect(counts({ ...node(), autoProvisioned: true, status: 'destroyed' })).toBe(false)
  })

  it('are offered by those providers that can make them, with as many slots as are set', async () => {
    all = await lives({ cloud: true, config: aConfig({ nodes: { maxWorkspaces: 2 } }) })
    const sizes = ['small', 'medium', 'large']
    expect(offersOf(all.life.engine)).toEqual([{ provider: 'hetzner', sizes, locations: ['fsn1', 'nbg1'], slots: 2 }])
  })

  it('are ordered beside nodes that are not ours, put on record, and begun at once', async () => {
    all = await lives({ cloud: true, config: aConfig({ nodes: { maxNodes: 1 } }) })
    await ready()
    await all.submit({ size: 'large' })
    await all.life.world.settle()
    const ordered = () => readNodes(sql()).find(({ autoProvisioned }) => autoProvisioned)
    expect(ordered()).toMatchObject({ status: 'creating', size: 'large' })
    expect(reserved('task-1')).toBe(ordered()?.name)
    const events = readEvents(sql(), { after: 0, limit: 100 }).filter(({ nodeName }) => nodeName === ordered()?.name)
    expect(events[0]).toMatchObject({ type: 'node.status', data: { from: null, to: 'ordered', reason: null } })
  })
})

describe('a task', () => {
  const codex = { agent: { ...aSpec().agent, type: 'codex' as const, name: 'codex', env: ['A_KEY'] } }

  it('gets no slot while the credential of its agent has nothing left, and others do', async () => {
    all = await lives()
    await ready()
    raiseLimit(sql(), credentialOf(codex), now() + HOUR, now())
    await all.submit(codex, { commits: 1 }, 'limited')
    await all.submit({}, { commits: 1 }, 'free')
    // The same variable with another secret in it: another account.
    const account = { ...codex.agent, name: 'another', env: { A_KEY: 'OTHER_KEY' } }
    await all.submit({ agent: account }, { commits: 1 }, 'other')
    await all.life.world.settle()
    const place = (id: string) => reserved(id) ?? all.life.task(id).nodeName
    expect([place('limited'), place('free'), place('other')]).toEqual([null, 'n1', 'n1'])
    expect(await all.until(() => step('limited') !== 'node_selection', HOUR + 2 * MIN)).toBe(true)
  })

  it('gets no slot while something stands against it', async () => {
    all = await lives()
    await ready()
    all.life.engine.admission.set('drain', 'drained')
    await all.submit()
    await all.life.world.settle()
    expect(reserved('task-1')).toBeNull()
  })

  it('moves from a machine that is to come to a slot that comes free, and its machine looks whether it is wanted', async () => {
    const config = aConfig({ nodes: { maxWorkspaces: 1 } })
    all = await lives({ cloud: true, config })
    await ready()
    if (all.out.cloud) all.out.cloud.faults.full = 1_000
    await all.submit({}, { ms: 30 * MIN, commits: 1, busy: true }, 'first')
    await all.until(() => step('first') === 'running', HOUR)
    await all.submit({}, { commits: 1 }, 'second')
    await all.until(() => step('second') === 'node_provisioning', HOUR)
    const machine = reserved('second') ?? ''
    expect(machine).not.toBe('n1')
    const scheduled: string[] = []
    const { loop } = all.life.engine
    const { schedule } = loop
    loop.schedule = (subject, at) => {
      if (reserved('second') === 'n1') scheduled.push(subject)
      schedule(subject, at)
    }
    await all.life.engine.signal({ kind: 'cancel', taskId: 'first' })
    expect(
      await all.until(() => reserved('second') === 'n1' || all.life.task('second').nodeName === 'n1', 5 * MIN),
    ).toBe(true)
    expect(scheduled[0]).toBe(nodeSubject(machine))
    expect(await all.until(() => readNode(sql(), machine)?.status === 'destroyed', 5 * MIN)).toBe(true)
    expect(await all.rest('second')).toBe(true)
    expect(all.life.task('second')).toMatchObject({ status: 'completed', attempt: 1, nodeName: 'n1' })
  })

  it('stays where it is reserved once it has a workspace', async () => {
    const config = aConfig({ nodes: { maxWorkspaces: 1 } })
    all = await lives({ nodes: ['n1', 'n2'], config })
    await ready()
    const id = await all.submit({}, { hangs: true, busy: true })
    await all.until(() => step(id) === 'running', HOUR)
    const place = all.life.task(id).nodeName
    sql().run("update nodes set status = 'booting' where name = ?", place)
    all.life.engine.placementChanged()
    await all.until(() => false, MIN)
    expect(all.life.task(id)).toMatchObject({ nodeName: place, placement: 1 })
  })
})

it('a pass that fails is said, and the next one is made all the same', async () => {
  all = await lives()
  const said: unknown[] = []
  const { engine } = all.life
  let isWell = false
  let passes = 0
  const queue = {
    ...engine.queue,
    list() {
      passes += 1
      if (!isWell) throw new Error('no list')
      return []
    },
  }
  const log = { ...engine.log, error: (...about: unknown[]) => said.push(about) }
  const changed = createPlacement(() => ({ ...engine, queue, log }))
  changed()
  await all.life.world.settle()
  expect(said).toEqual([[{ err: expect.stringContaining('no list') }, 'the placement pass failed']])
  isWell = true
  passes = 0
  changed()
  changed()
  await all.life.world.settle()
  expect([passes, said.length]).toEqual([1, 1])
})
