/** An older database in the place of a newer one: nothing that runs is begun again, and nothing is left behind. */
import { afterEach, describe, expect, it } from 'vitest'
import { drainNode, removeNode } from '../../../../daemon/nodes/actions.ts'
import { backUp, putBack } from '../../../../src/store/sqlite/backup.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { simWorld } from '../../../fakes/world.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const config = aConfig({
  nodes: { heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, maxWorkspaces: 2 },
  runner: { reconcileInterval: 10 * MIN },
})
let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

async function begin(nodes: string[] = [], maxNodes = 1): Promise<void> {
  out = outside({ nodes, hetzner: nodes.length === 0, config: { ...config, nodes: { ...config.nodes, maxNodes } } })
  life = await live(out)
}

/** A task that waits for a slot, and is not given one before `goOn`. */
async function waiting(script: Parameters<Life['submit']>[1], id: string): Promise<string> {
  life.engine.admission.set('drain', 'nothing begins')
  return life.submit({}, script, id)
}
function goOn(): void {
  life.engine.admission.set('drain', null)
  life.engine.placementChanged()
}

const backup = () => backUp(life.engine.store.sql, out.dir, 'older.db')
async function restore(file: string, meanwhile: () => unknown = () => {}): Promise<void> {
  life.kill()
  await meanwhile()
  putBack(out.dir, file, out.time.now)
  life = await live(out)
}

/** Time passes with no daemon there. */
const pass = (ms: number) => simWorld(out.time).clock.advance(ms)
const nodes = () => readNodes(life.engine.store.sql)
const isOver = (id: string) => () => life.task(id).step === null
const cloud = () => {
  if (!out.hetzner) throw new Error('there is no cloud')
  return out.hetzner
}
/** Of the first machine that was made. */
function fault(name: 'down' | 'salvageFails', isOn: boolean): void {
  const [agent] = cloud().agents.values()
  if (agent) agent.faults[name] = isOn
}
const said = () =>
  due(life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => String(payload.message))

describe('a machine that the restored database has forgotten', () => {
  it.each([
    ['goes on', 2 * HOUR],
    ['ended while nobody looked', 4 * MIN],
  ])('serves again, and the task that waited finds its run, which %s', async (_, ms) => {
    await begin()
    const id = await waiting({ commits: 1, ms, busy: true }, 'waited')
    const file = backup()
    goOn()
    await life.world.run(() => life.task(id).step === 'running', HOUR)
    await restore(file, () => pass(5 * MIN))
    expect(life.task(id)).toMatchObject({ status: 'queued', step: 'node_selection' })
    await life.world.run(() => life.task(id).step === 'workspace_ready', 10 * MIN)
    expect(nodes()).toMatchObject([{ status: 'ready', maxWorkspaces: 2 }])
    expect(nodes()[0]?.facts).not.toHaveProperty('adopted')
    expect(await life.world.run(isOver(id), 4 * HOUR)).toBe(true)
    expect(life.task(id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect([...cloud().agents.values()].map(({ starts }) => [...starts.values()])).toEqual([[1]])
    expect([...cloud().cloud.made.values()]).toEqual([1])
    expect(await life.world.run(() => cloud().cloud.leaks().length === 0, 4 * HOUR)).toBe(true)
    expect(cloud().lostWork).toEqual([])
  })

  it('is not another’s before the work that nobody knows any more is saved, and stays until then', async () => {
    await begin()
    const waited = await waiting({ commits: 1, ms: 5 * HOUR, busy: true }, 'waited')
    const file = backup()
    goOn()
    const gone = await life.submit({}, { commits: 1, ms: HOUR, busy: true }, 'gone')
    await life.world.run(() => [waited, gone].every(id => life.task(id).step === 'running'), HOUR)
    const [agent] = cloud().agents.values()
    await restore(file, () => fault('salvageFails', true))
    const next = await life.submit({}, { commits: 1 }, 'next')
    await life.world.clock.advance(HOUR)
    expect(life.task(next)).toMatchObject({ status: 'queued', step: 'node_selection' })
    fault('salvageFails', false)
    expect(await life.world.run(isOver(next), 2 * HOUR)).toBe(true)
    expect(said().join('\n')).toContain('gone-1-1.bundle refs/tdf/gone/1')
    expect(said().join('\n')).toContain('serves again')
    expect(await life.world.run(isOver(waited), 6 * HOUR)).toBe(true)
    expect([life.task(waited).status, life.task(next).status]).toEqual(['completed', 'completed'])
    expect(agent?.starts.get('waited-1-1-s1')).toBe(1)
    expect([...cloud().cloud.made.values()]).toEqual([1])
    expect(await life.world.run(() => cloud().cloud.leaks().length === 0, 6 * HOUR)).toBe(true)
    expect(cloud().lostWork).toEqual([])
  })

  it.each(['creating', 'failed'] as const)('is asked for no work of a workspace that is %s', async status => {
    await begin()
    const file = backup()
    const gone = await life.submit({}, { commits: 1, ms: HOUR, busy: true }, 'gone')
    await life.world.run(() => life.task(gone).step === 'running', HOUR)
    const [agent] = cloud().agents.values()
    await restore(file, () => {
      const workspace = agent?.workspaces.get('gone-1-1')
      if (workspace) workspace.status = status
    })
    const next = await life.submit({}, { commits: 1 }, 'next')
    expect(await life.world.run(isOver(next), 2 * HOUR)).toBe(true)
    expect(agent?.requests.filter(line => /gone-1-1.(stop|salvage)/.test(line))).toEqual([])
    expect(said().join('\n')).not.toContain('gone-1-1.bundle')
  })

  it('does not go as an idle one does while there is work on it that is not saved', async () => {
    await begin()
    const file = backup()
    const gone = await life.submit({}, { commits: 1, ms: HOUR, busy: true }, 'gone')
    await life.world.run(() => life.task(gone).step === 'running', HOUR)
    await restore(file, () => fault('salvageFails', true))
    await life.world.clock.advance(5 * HOUR)
    const [node] = nodes()
    expect(node).toMatchObject({ status: 'ready' })
    await expect(removeNode(life.engine, node?.name ?? '', { discard: false, dryRun: false })).rejects.toThrow(
      'not saved yet',
    )
    await drainNode(life.engine, node?.name ?? '', { undo: false, dryRun: false })
    await life.world.clock.advance(HOUR)
    expect(nodes()).toMatchObject([{ status: 'draining' }])
    fault('salvageFails', false)
    expect(await life.world.run(() => cloud().cloud.leaks().length === 0, 6 * HOUR)).toBe(true)
    expect(said().join('\n')).toContain('gone-1-1.bundle')
    expect(cloud().lostWork).toEqual([])
  })

  it('keeps nobody waiting for long when it does not answer, and is kept until its work is saved', async () => {
    await begin([], 2)
    const id = await waiting({ commits: 1, ms: HOUR, busy: true }, 'waited')
    const file = backup()
    goOn()
    await life.world.run(() => life.task(id).step === 'running', HOUR)
    const name = nodes()[0]?.name ?? ''
    await restore(file, () => fault('down', true))
    await life.world.clock.advance(MIN)
    expect(life.engine.admission.obstacle()).toContain('the database was restored')
    expect(cloud().cloud.made.size).toBe(1)
    expect(await life.world.run(isOver(id), 6 * HOUR)).toBe(true)
    expect(life.task(id)).toMatchObject({ status: 'completed' })
    expect(cloud().cloud.made.size).toBe(2)
    expect(nodes().find(one => one.name === name)).toMatchObject({ status: 'held' })
    fault('down', false)
    expect(await life.world.run(() => cloud().cloud.leaks().length === 0, 4 * HOUR)).toBe(true)
    expect(said().join('\n')).toContain('waited-1-1.bundle')
    expect(cloud().lostWork).toEqual([])
  })
})

it('a way to a machine that hangs ends the waiting no later', async () => {
  await begin()
  const file = backup()
  const id = await life.submit({}, { commits: 1, ms: HOUR, busy: true })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  await restore(file)
  Object.assign(life.engine.providers.hetzner ?? {}, { connect: () => new Promise(() => {}) })
  expect(await life.world.run(() => life.engine.admission.obstacle() === null, 12 * MIN)).toBe(true)
  expect(nodes()).toMatchObject([{ status: 'held' }])
})

describe('a node that the restored database knows', () => {
  it('does not go as an idle one while there is work on it of a task that nobody knows any more', async () => {
    await begin()
    const id = await life.submit({}, { commits: 1 })
    await life.world.run(() => isOver(id)() && nodes()[0]?.status === 'warm', HOUR)
    const file = backup()
    const gone = await life.submit({}, { commits: 1, ms: 4 * HOUR, busy: true }, 'gone')
    await life.world.run(() => life.task(gone).step === 'running', HOUR)
    // By then its time as an idle one is long over, as far as the older database knows.
    await life.world.clock.advance(2 * HOUR)
    await restore(file, () => {
      fault('salvageFails', true)
      // It is asked late: the list of machines takes a while.
      cloud().cloud.faults.push({ on: /GET \/servers$/, strike: { kind: 'hang', done: false }, times: 1 })
    })
    await life.world.clock.advance(10_000)
    expect(nodes()).toMatchObject([{ status: 'warm' }])
    await life.world.clock.advance(5 * HOUR)
    expect(nodes()).toMatchObject([{ status: 'ready' }])
    fault('salvageFails', false)
    expect(await life.world.run(() => cloud().cloud.leaks().length === 0, 6 * HOUR)).toBe(true)
    expect(said().join('\n')).toContain('gone-1-1.bundle')
    expect([cloud().lostWork, [...cloud().cloud.made.values()]]).toEqual([[], [1]])
  })

  it('keeps nobody waiting when its machine is gone', async () => {
    await begin()
    const id = await life.submit({}, { commits: 1 })
    await life.world.run(() => isOver(id)() && nodes()[0]?.status === 'warm', HOUR)
    const name = nodes()[0]?.name ?? ''
    await restore(backup(), () => cloud().cloud.vanish(name))
    expect(await life.world.run(() => life.engine.admission.obstacle() === null, 4 * MIN)).toBe(true)
  })

  it('is asked as well: a task goes where its run is', async () => {
    await begin(['n1', 'n2', 'n3'])
    await life.world.run(() => nodes().every(({ status }) => status === 'ready'), MIN)
    const id = await waiting({ commits: 1, ms: HOUR, busy: true }, 'waited')
    const file = backup()
    const names = ['n1', 'n2', 'n3']
    goOn()
    await life.world.run(() => life.task(id).step === 'running', HOUR)
    const place = life.task(id).nodeName ?? ''
    // Without asking, another would be taken: it is the least loaded now.
    const other = await life.submit({ node: names.find(name => name !== place) ?? '' }, { hangs: true, busy: true })
    await life.world.run(() => life.task(other).step === 'running', HOUR)
    await restore(file)
    expect(await life.world.run(isOver(id), 4 * HOUR)).toBe(true)
    expect(life.task(id)).toMatchObject({ status: 'completed', nodeName: place })
    const starts = [...out.agents.values()].flatMap(agent => [...agent.starts].filter(([key]) => key.startsWith(id)))
    expect(starts).toEqual([['waited-1-1-s1', 1]])
  })

  it('runs a task anew whose run is over and tidied up', async () => {
    await begin(['n1'])
    await life.world.run(() => nodes().every(({ status }) => status === 'ready'), MIN)
    const id = await waiting({ commits: 1 }, 'waited')
    const file = backup()
    goOn()
    expect(await life.world.run(isOver(id), HOUR)).toBe(true)
    await life.world.run(() => out.agents.get('n1')?.workspaces.size === 0, HOUR)
    await restore(file)
    expect(await life.world.run(isOver(id), 4 * HOUR)).toBe(true)
    expect(life.task(id)).toMatchObject({ status: 'completed' })
  })
})
