/** Machines that are ordered and do not come, or do not go. Numbers and names are those of docs/faults.md. */
import { afterEach, expect, it } from 'vitest'
import { readEvents } from '../../../src/store/tables/journal.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { aConfig } from '../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const cloud = () => {
  if (!all.out.cloud) throw new Error('there is no cloud')
  return all.out.cloud
}
const task = (id = 'task-1') => all.life.task(id)
const machines = () => readNodes(all.life.engine.store.sql, true).filter(({ autoProvisioned }) => autoProvisioned)
const made = () => [...cloud().made.values()].reduce((sum, count) => sum + count, 0)
const allGone = () =>
  all.until(() => cloud().machines.size === 0 && machines().every(({ status }) => status === 'destroyed'), 6 * HOUR)
const nodeStatuses = () =>
  readEvents(all.life.engine.store.sql, { after: 0, limit: 10_000 }).flatMap(({ type, nodeName, data }) =>
    type === 'node.status' ? [`${nodeName} ${data.to}`] : [],
  )
const begin = async (nodes: object = {}) => {
  all = await lives({ nodes: [], cloud: true, config: aConfig({ nodes: { heartbeatInterval: MIN, ...nodes } }) })
}
const ends = async (id = 'task-1') => {
  expect(await all.rest(id)).toBe(true)
  expect(task(id)).toMatchObject({ status: 'completed', attempt: 1 })
}

it('31 create-answer-lost: the machine that was made is found by its name, and is the only one', async () => {
  await begin()
  cloud().faults.loseAnswer = 3
  await all.submit()
  await ends()
  expect(made()).toBe(1)
  expect(await allGone()).toBe(true)
})

it('32 5xx: an API that fails for a while costs time and nothing else', async () => {
  await begin()
  cloud().faults.refuse = 12
  await all.submit()
  await ends()
  expect([made(), machines().length]).toEqual([1, 1])
})

it('52 agent-dies: a task that waits for its user is told, and the machine keeps its work until it is home', async () => {
  await begin({ lostAfter: 15 * MIN })
  await all.submit({ interactive: true })
  expect(await all.until(() => task().step === 'awaiting_followup', HOUR)).toBe(true)
  const [name = ''] = [...cloud().machines.keys()]
  all.agent(name).faults.down = true
  expect(await all.until(() => machines()[0]?.status === 'lost', HOUR)).toBe(true)
  // At once, not when its user comes back.
  expect(await all.until(() => task().status === 'failed', MIN)).toBe(true)
  expect(task()).toMatchObject({ verdict: 'infrastructure', error: { code: 'NODE_LOST' }, step: 'salvage' })
  // The machine's time may be over before the task has given up: a daemon that was away comes late for both.
  all.life.engine.store.sql.run('update nodes set deadline_at = ?', all.out.time.now)
  await all.until(() => false, HOUR)
  expect([...cloud().machines.keys()]).toEqual([name])
  all.agent(name).faults.down = false
  expect(await allGone()).toBe(true)
  expect(cloud().lostWork).toEqual([])
  expect(all.out.results.refs.get('refs/tdf/task-1/1')).toBeDefined()
})

it('35 capacity: no machine to be had is waited out, and said', async () => {
  await begin()
  cloud().faults.full = 4
  await all.submit()
  await all.until(() => false, 2 * MIN)
  expect(task().waitingFor).toMatch(/node|machine/)
  expect(machines()[0]?.waitingFor).toMatch(/no such machine left/)
  await ends()
  expect(made()).toBe(1)
})

it('35 capacity: a task that waits for a machine that is not to be had moves to a slot that comes free', async () => {
  const config = aConfig({ nodes: { heartbeatInterval: MIN, maxWorkspaces: 1 } })
  all = await lives({ nodes: ['n1'], cloud: true, config })
  cloud().faults.full = 1_000_000
  await all.submit({}, { ms: 30 * MIN, commits: 1, busy: true }, 'first')
  await all.until(() => task('first').step === 'running')
  await all.submit({}, { ms: 30 * MIN, commits: 1, busy: true }, 'second')
  await all.until(() => task('second').step === 'node_provisioning')
  await all.die()
  await all.begin()
  await ends('second')
  expect(task('second').nodeName).toBe('n1')
  expect(all.life.steps('second').slice(0, 4)).toEqual([
    ...['node_selection', 'node_provisioning', 'node_agent_ready', 'workspace_creation'],
  ])
  // The order that nobody waits for any more is given up, with nothing made.
  expect(await allGone()).toBe(true)
  expect(made()).toBe(0)
})

it('36 limit: fifty tasks at once order no more machines than may be, and all of them run', async () => {
  await begin({ maxNodes: 2, maxWorkspaces: 3 })
  const ids = Array.from({ length: 50 }, (_, index) => `burst-${index}`)
  let most = 0
  await Promise.all(ids.map(id => all.submit({}, { ms: MIN, commits: 1, busy: true }, id)))
  await all.until(() => {
    most = Math.max(most, cloud().machines.size)
    return ids.every(id => task(id).step === null)
  })
  expect([most, ids.filter(id => task(id).status === 'completed').length]).toEqual([2, 50])
  expect(await allGone()).toBe(true)
})

it('38+39 never-boots: the machine is destroyed, never warmed, and the task ends with the reason', async () => {
  await begin()
  cloud().faults.neverBoot = true
  await all.submit()
  expect(await all.rest()).toBe(true)
  const [machine] = machines()
  expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
  expect(task().error).toMatchObject({ code: 'STEP_DEADLINE', step: 'node_provisioning' })
  expect(task().error?.message).toContain(`machine ${machine?.name} to boot`)
  expect(await allGone()).toBe(true)
  // One machine, whose whole life it is: it was never ready, so it never served and never was warm.
  expect(nodeStatuses()).toEqual(['ordered', 'creating', 'destroying', 'destroyed'].map(to => `${machine?.name} ${to}`))
})

it('40 boots-after-the-timeout: the late machine is removed, and its late word is refused', async () => {
  all = await lives({
    nodes: [],
    cloud: true,
    config: aConfig({ runner: { provisionTimeout: MIN, agentReadyTimeout: MIN } }),
  })
  cloud().faults.neverBoot = true
  await all.submit()
  await all.until(() => cloud().machines.size === 1)
  const [name = ''] = cloud().machines.keys()
  expect(await allGone()).toBe(true)
  const said = await all.life.engine.signal({ kind: 'node_ready', name, stateId: 'late', agentVersion: '0.0.0' })
  expect(said).toMatchObject({ accepted: false })
  expect(task().status).toBe('failed')
})

it('42+43 delete-locked, delete-answer-lost: a machine is gone only when the provider says so', async () => {
  await begin({ warmTimeout: MIN })
  await all.submit()
  await ends()
  cloud().faults.locked = 5
  cloud().faults.refuse = 0
  await all.until(() => machines()[0]?.status === 'destroying')
  expect(cloud().machines.size).toBe(1)
  expect(await allGone()).toBe(true)
})

it('44 delete-always-failing: the machine stays on the list and is asked for again, and its task is over', async () => {
  await begin({ warmTimeout: MIN })
  await all.submit()
  await ends()
  cloud().faults.locked = 1_000_000
  await all.until(() => false, 6 * HOUR)
  expect([machines()[0]?.status, cloud().machines.size]).toEqual(['destroying', 1])
  expect(machines()[0]?.waitingFor).toMatch(/503|remove/)
  cloud().faults.locked = 0
  expect(await allGone()).toBe(true)
})

it.each([
  // Before it was up it is ordered again under its name; after that the task ends with the reason.
  ['node_provisioning', { status: 'completed', verdict: 'unverified', error: null }],
  ['node_agent_ready', { status: 'failed', verdict: 'infrastructure', error: { code: 'STEP_DEADLINE' } }],
  ['workspace_ready', { status: 'failed', verdict: 'infrastructure', error: { code: 'NODE_LOST' } }],
  ['running', { status: 'failed', verdict: 'infrastructure', error: { code: 'NODE_LOST' } }],
] as const)(
  '45 vanished-server in %s: the task is told, nothing waits for ever, and nothing leaks',
  async (step, end) => {
    await begin({ lostAfter: 10 * MIN })
    await all.submit({}, { ms: HOUR, commits: 1, busy: true })
    expect(await all.until(() => cloud().machines.size === 1, HOUR)).toBe(true)
    const [name = ''] = cloud().machines.keys()
    // An agent that answers at once is not waited for.
    all.agent(name).faults.down = step === 'node_agent_ready'
    expect(await all.until(() => task().step === step, HOUR)).toBe(true)
    cloud().vanish(name)
    expect(await all.rest()).toBe(true)
    expect(task()).toMatchObject({ ...end, attempt: 1 })
    if (end.error) expect(task().error).toMatchObject({ step, message: expect.stringContaining(name) })
    expect(machines()).toHaveLength(1)
    expect(await allGone()).toBe(true)
  },
)

it('47 API-outage: ten minutes without the provider fail nothing that runs', async () => {
  await begin()
  await all.submit({}, { ms: 30 * MIN, commits: 1, busy: true })
  await all.until(() => task().step === 'running')
  cloud().faults.refuse = 1_000
  await all.until(() => false, 10 * MIN)
  cloud().faults.refuse = 0
  await ends()
})

it('48 slow-API: calls without an answer hold up no callback and no task on another node', async () => {
  all = await lives({ nodes: ['n1'], hetzner: true })
  const { hetzner } = all.out
  if (!hetzner) throw new Error('there is no cloud')
  const { faults, requests } = hetzner.cloud
  // Hours without an answer, to everything that is asked.
  faults.push({ on: /./, strike: { kind: 'hang', done: false }, times: 10_000 })
  await all.submit({ provider: 'hetzner' }, { commits: 1 }, 'slow')
  await all.until(() => false, 5 * MIN)
  expect(requests.length).toBeGreaterThan(0)
  for (const id of ['quick-1', 'quick-2', 'quick-3']) {
    await all.submit({ node: 'n1' }, { ms: 1_000, commits: 1 }, id)
    // A second to build, a second to run, and what the model needs in between.
    expect(await all.rest(id, 10_000)).toBe(true)
    expect(task(id)).toMatchObject({ status: 'completed' })
  }
  expect(task('slow').status).toBe('queued')
  faults.length = 0
  await ends('slow')
})

it('88 warm-pool: a warm machine goes to one task, the other gets its own, and none is claimed while it is removed', async () => {
  await begin({ maxWorkspaces: 1, warmTimeout: 20 * MIN })
  await all.submit({}, { ms: MIN, commits: 1 }, 'first')
  await all.rest('first')
  await all.until(() => machines()[0]?.status === 'warm')
  await Promise.all(['a', 'b'].map(id => all.submit({}, { ms: MIN, commits: 1 }, id)))
  for (const id of ['a', 'b']) await ends(id)
  expect(made()).toBe(2)
  // At the very moment of its expiry.
  await all.until(() => machines().some(({ status }) => status === 'warm'))
  const until = Math.max(...machines().map(({ warmUntil }) => warmUntil ?? 0))
  await all.until(() => all.out.time.now >= until - 1, HOUR)
  await Promise.all([all.submit({}, { ms: MIN, commits: 1 }, 'c'), all.life.world.clock.advance(2)])
  await ends('c')
  expect(await allGone()).toBe(true)
})
