/** Crash and restart. Numbers and names are those of docs/faults.md. */
import { afterEach, expect, it } from 'vitest'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const task = () => all.life.task('task-1')
const times = (name: RegExp, node = 'n1') => all.agent(node).requests.filter(line => name.test(line)).length
const once = (node = 'n1') => [...all.agent(node).builds.values(), ...all.agent(node).starts.values()]

/** Runs `scene` with the power cut before and after each effect, until it has no such effect any more. */
async function everyCut(scene: (cut: { when: 'before' | 'after'; nth: number }) => Promise<number>, from = 1) {
  let cuts = 0
  for (const when of ['before', 'after'] as const) {
    for (let nth = from; ; nth++) {
      const deaths = await scene({ when, nth })
      all.end()
      if (deaths === 0) break
      cuts += 1
    }
  }
  return cuts
}

it('2+3 crash-create-then-db, crash-db-then-create: one machine, found again by its name', async () => {
  const cuts = await everyCut(async cut => {
    all = await lives({ nodes: [], cloud: true }, { cut })
    await all.submit()
    const cloud = all.out.cloud
    expect(await all.until(() => task().workspaceId !== null)).toBe(true)
    expect([...(cloud?.made.values() ?? [])], `cut ${cut.when} ${cut.nth}`).toEqual([1])
    expect(readNodes(all.life.engine.store.sql).map(({ name }) => name)).toEqual([...(cloud?.machines.keys() ?? [])])
    return all.deaths()
  })
  expect(cuts).toBeGreaterThan(10)
  all = await lives()
})

it('4 crash-in-cleanup: what was half undone is undone, and the verdict stays', async () => {
  all = await lives()
  await all.submit()
  await all.rest()
  // The last effects of a journey are those of its cleanup.
  const from = all.life.world.effects() - 9
  all.end()
  const cuts = await everyCut(async cut => {
    all = await lives({}, { cut })
    await all.submit()
    expect(await all.rest()).toBe(true)
    expect(task(), `cut ${cut.when} ${cut.nth}`).toMatchObject({ status: 'completed', cleanup: 'done' })
    expect([all.agent().workspaces.size, once()]).toEqual([0, [1, 1]])
    return all.deaths()
  }, from)
  expect(cuts).toBeGreaterThan(2)
  all = await lives()
})

it('5 crash-after-callback-ack: what was answered 200 is there, and the agent is not asked for it', async () => {
  all = await lives()
  all.agent().faults.losePushes = true
  await all.submit()
  await all.until(() => all.agent().workspaces.get('task-1-1-1')?.status === 'ready', 5_000)
  expect(task().step).toBe('workspace_ready')
  const token = all.agent().workspaces.get('task-1-1-1')?.body.callback.token ?? ''
  const answer = await all.out.callbacks.app?.request('/workspaces/task-1-1-1/ready', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', host: 'localhost' },
    body: JSON.stringify({ seq: 1, status: 'running' }),
  })
  expect(answer?.status).toBe(200)
  await all.die()
  const asked = times(/^GET \/workspaces\/task-1-1-1$/)
  await all.begin()
  await all.until(() => task().step !== 'workspace_ready', 1_000)
  expect([task().step, times(/^GET \/workspaces\/task-1-1-1$/)]).toEqual(['running', asked])
})

it('6 crash-before-callback-ack: the agent sends again, and it counts once', async () => {
  const cuts = await everyCut(async cut => {
    all = await lives({}, { cut })
    // Each push is sent until it is answered, and then once more.
    all.agent().faults.doublePushes = true
    await all.submit()
    expect(await all.rest()).toBe(true)
    const ready = all.life.steps('task-1').filter(to => to === 'agent_session')
    expect([ready.length, once()], `cut ${cut.when} ${cut.nth}`).toEqual([1, [1, 1]])
    return all.deaths()
  }, 8)
  expect(cuts).toBeGreaterThan(10)
  all = await lives()
})

it('7 crash-loop: twenty deaths at one place make one machine, one workspace, one run', async () => {
  all = await lives({ nodes: [], cloud: true })
  await all.submit({}, { ms: HOUR, commits: 1, busy: true })
  const cloud = all.out.cloud
  for (let death = 0; death < 20; death++) {
    await all.die()
    await all.begin({ cut: { when: 'after', nth: 6 } })
    await all.until(() => false, 2 * MIN)
  }
  expect([...(cloud?.made.values() ?? [])]).toEqual([1])
  expect(await all.rest()).toBe(true)
  expect(task()).toMatchObject({ status: 'completed', attempt: 1, placement: 1 })
})

it('8 restart-while-running: ten minutes without a daemon go unnoticed by the run', async () => {
  all = await lives()
  await all.submit({}, { ms: 30 * MIN, commits: 1, busy: true })
  await all.until(() => task().step === 'running')
  await all.die(10 * MIN)
  await all.begin()
  expect(await all.rest()).toBe(true)
  expect([task().status, once()]).toEqual(['completed', [1, 1]])
})

it('9 agent-finished-while-down: its end is fetched at the start, though nobody pushed it again', async () => {
  all = await lives()
  await all.submit({}, { ms: 5 * MIN, commits: 1, busy: true })
  await all.until(() => task().step === 'running')
  all.agent().faults.losePushes = true
  await all.die(HOUR)
  await all.begin()
  expect(await all.rest('task-1', 2 * MIN)).toBe(true)
  expect(task()).toMatchObject({ status: 'completed', verdict: 'unverified' })
})

it('25 ack-durability: whatever was acknowledged is there after a death at any moment', async () => {
  const cuts = await everyCut(async cut => {
    all = await lives({}, { cut })
    const acknowledged: string[] = []
    const ids = Array.from({ length: 12 }, (_, index) => `many-${index}`)
    await Promise.all(
      ids.map(id =>
        all.life.submit({}, {}, id).then(
          () => acknowledged.push(id),
          () => {},
        ),
      ),
    )
    await all.until(() => true)
    for (const id of acknowledged) expect(all.life.engine.query(id), `${id}, cut ${cut.when} ${cut.nth}`).toBeDefined()
    return all.deaths()
  })
  expect(cuts).toBeGreaterThan(4)
  all = await lives()
})

it('53 partition: a request and an answer that are lost make nothing twice, and the outbox catches up', async () => {
  all = await lives()
  const { faults } = all.agent()
  faults.loseAnswer.push(/^POST \/workspaces$/, /agent-sessions$/, /salvage$/, /^DELETE/)
  await all.submit({}, { ms: 20 * MIN, commits: 1, busy: true })
  await all.until(() => task().step === 'running')
  faults.down = true
  await all.until(() => false, 8 * MIN)
  faults.down = false
  expect(await all.rest('task-1', DAY)).toBe(true)
  expect([task().status, task().attempt, once()]).toEqual(['completed', 1, [1, 1]])
})
