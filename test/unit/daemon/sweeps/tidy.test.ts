/** Nodes and workspaces that nothing looks after any more, and checkpoints: each sweep by itself, over a simulated world. */
import { afterEach, describe, expect, it } from 'vitest'
import { checkpoints } from '../../../../daemon/sweeps/checkpoints.ts'
import { idleNodes } from '../../../../daemon/sweeps/idle-nodes.ts'
import { SWEEPS } from '../../../../daemon/sweeps/index.ts'
import { orphans } from '../../../../daemon/sweeps/orphans.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { obstacles } from '../../../../src/text/waiting.ts'
import { aConfig } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const parts = {} as SweepParts
const { signal } = new AbortController()
const node = (name = 'n1') => readNode(sql(), name)
const running = async (change = {}) => {
  const id = await all.submit(change, { commits: 1, ms: 5 * HOUR, busy: true })
  expect(await all.until(() => all.life.task(id).step === 'running', HOUR)).toBe(true)
  return id
}

describe('idle machines', () => {
  const nothing = { expired: 0, drained: 0, rescheduled: 0 }
  let scheduled: unknown[] = []
  const sweep = (isKnown = true) => {
    scheduled = []
    const loop = {
      ...all.life.engine.loop,
      knows: () => isKnown,
      schedule: (...about: unknown[]) => void scheduled.push(about),
    }
    return idleNodes.run({ ...all.life.engine, loop }, parts, signal)
  }
  const set = (columns: Record<string, unknown>) => {
    for (const [column, value] of Object.entries(columns)) sql().run(`update nodes set ${column} = ?`, value as never)
  }
  const begin = async () => {
    all = await lives()
    await all.until(() => node()?.status === 'ready', MIN)
  }

  it('get their wake back when nothing would wake them', async () => {
    await begin()
    set({ wake_at: now() + 7 })
    expect([await sweep(), scheduled]).toEqual([nothing, []])
    expect([await sweep(false), scheduled]).toEqual([{ ...nothing, rescheduled: 1 }, [['node:n1', now() + 7]]])
    set({ wake_at: null })
    expect([await sweep(false), scheduled]).toEqual([nothing, []])
  })

  it('go when their time as warm ones is over by a minute and nobody is on them', async () => {
    await begin()
    set({ status: 'warm', auto_provisioned: 1, warm_until: now() - MIN })
    expect(await sweep()).toEqual(nothing)
    set({ warm_until: now() - MIN - 1 })
    all.life.engine.admission.set('restore', obstacles.restore())
    expect(await sweep()).toEqual(nothing)
    all.life.engine.admission.set('restore', null)
    expect(await sweep()).toEqual({ ...nothing, expired: 1 })
    expect(node()).toMatchObject({ status: 'destroying', wakeAt: now() })
  })

  it('stay while a task is on them, however late it is', async () => {
    await begin()
    await running()
    set({ status: 'warm', auto_provisioned: 1, warm_until: 0, created_at: now() })
    expect(await sweep()).toEqual(nothing)
    set({ warm_until: null })
    expect(await sweep()).toEqual(nothing)
  })

  it('are drained when they have lived too long, if they are ours', async () => {
    await begin()
    const { maxLifetime } = all.life.engine.config.nodes
    set({ auto_provisioned: 1, created_at: now() - maxLifetime })
    expect(await sweep()).toEqual(nothing)
    set({ created_at: now() - maxLifetime - 1, auto_provisioned: 0 })
    expect(await sweep()).toEqual(nothing)
    set({ auto_provisioned: 1, status: 'booting' })
    expect(await sweep()).toEqual(nothing)
    set({ status: 'ready' })
    expect(await sweep()).toEqual({ ...nothing, drained: 1 })
    expect(node()).toMatchObject({ status: 'draining', wakeAt: now() })
  })
})

describe('workspaces without an owner', () => {
  const sweep = (stop = signal) => orphans.run(all.life.engine, parts, stop)
  const nothing = { removed: 0, foreign: 0, unreachable: 0 }
  const released = (ageMs: number) => sql().run('update workspaces set released_at = ?', now() - ageMs)
  /** As if the deletion of a workspace had been confirmed and it stood there all the same. */
  const begin = async () => {
    all = await lives()
    await running()
  }

  it('stay while their task has them, and for a while after', async () => {
    await begin()
    expect(await sweep()).toEqual(nothing)
    const { orphanMinAge, interval } = all.life.engine.config.sweeps
    released(Math.min(orphanMinAge, interval))
    expect(await sweep()).toEqual(nothing)
    released(Math.min(orphanMinAge, interval) + 1)
    expect(await sweep()).toEqual({ ...nothing, removed: 1 })
    expect(all.agent().workspaces.size).toBe(0)
  })

  it('of tasks that are not known are left and counted', async () => {
    await begin()
    released(10 * HOUR)
    sql().run("update workspaces set id = 'another'")
    expect(await sweep()).toEqual({ ...nothing, foreign: 1 })
    expect(all.agent().workspaces.size).toBe(1)
  })

  it('are looked for on nodes in use, and one that does not answer keeps no other from being looked at', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    await running({ node: 'n2' })
    released(10 * HOUR)
    all.agent('n1').faults.down = true
    expect(await sweep()).toEqual({ ...nothing, removed: 1, unreachable: 1 })
    sql().run("update nodes set status = 'lost' where name = 'n1'")
    expect(await sweep()).toEqual(nothing)
  })
})

describe('checkpoints', () => {
  const interval = 20 * MIN
  const begin = async (local = false, checkpointInterval = interval) => {
    all = await lives({ local, config: aConfig({ results: { checkpointInterval } }) })
  }
  const saved = () => all.out.results.checkpoints.size

  it('are made of a run at each interval, counted from its start', async () => {
    await begin()
    const sweep = checkpoints()
    const run = () => sweep.run(all.life.engine, parts, signal)
    const id = await running()
    const { stepEnteredAt } = all.life.task(id)
    await all.life.world.clock.advance(stepEnteredAt + interval - 1 - now())
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    await all.life.world.clock.advance(1)
    expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
    expect(saved()).toBe(1)
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    await all.life.world.clock.advance(interval)
    expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
  })

  it('are tried again an interval later when they could not be made', async () => {
    await begin()
    const sweep = checkpoints()
    const run = () => sweep.run(all.life.engine, parts, signal)
    await running()
    await all.life.world.clock.advance(interval)
    all.agent().faults.salvageFails = true
    expect(await run()).toEqual({ checkpoints: 0, failed: 1 })
    all.agent().faults.salvageFails = false
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    await all.life.world.clock.advance(interval)
    expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
  })

  it('are made once of what rests, on whatever machine but our own', async () => {
    for (const [status, step] of [
      ['in_progress', 'awaiting_followup'],
      ['parked', 'agent_session'],
    ] as const) {
      await begin()
      const sweep = checkpoints()
      const run = () => sweep.run(all.life.engine, parts, signal)
      await running()
      const rests = (since: number) =>
        sql().run('update attempts set status = ?, step = ?, step_entered_at = ?', status, step, since)
      rests(now())
      expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
      expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
      await all.life.world.clock.advance(1)
      rests(now())
      expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
      all.end()
    }
    await begin(true)
    await running()
    await all.life.world.clock.advance(2 * interval)
    expect(await checkpoints().run(all.life.engine, parts, signal)).toEqual({ checkpoints: 0, failed: 0 })
  })

  it('are none when they are turned off, of a step on the way, or of a workspace that was replaced', async () => {
    await begin(false, 0)
    const id = await running()
    const run = () => checkpoints().run(all.life.engine, parts, signal)
    await all.life.world.clock.advance(2 * HOUR)
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    all.life.engine.config.results.checkpointInterval = interval
    expect(await run()).toEqual({ checkpoints: 1, failed: 0 })
    sql().run("update attempts set step = 'workspace_ready' where task_id = ?", id)
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    sql().run("update attempts set step = 'agent_session' where task_id = ?", id)
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
    sql().run("update attempts set step = 'running', workspace_id = 'another' where task_id = ?", id)
    expect(await run()).toEqual({ checkpoints: 0, failed: 0 })
  })

  it('are looked for once a minute, or as often as they are made', () => {
    const every = (checkpointInterval: number) => checkpoints().everyMs(aConfig({ results: { checkpointInterval } }))
    expect([every(0), every(20 * MIN), every(10_000)]).toEqual([MIN, MIN, 10_000])
  })
})

describe('the sweeps', () => {
  it('have names of their own, and intervals by the configuration', async () => {
    all = await lives()
    const config = aConfig({ sweeps: { interval: 7 * MIN } })
    expect(Object.fromEntries(SWEEPS.map(({ name, everyMs }) => [name, everyMs(config)]))).toEqual({
      errors: 500,
      'notify-command': 500,
      'notify-webhook': 500,
      'notify-ntfy': 500,
      restored: 5_000,
      placement: MIN,
      schedules: 1_000,
      charges: MIN,
      cleanups: 30_000,
      'stuck-tasks': 7 * MIN,
      'idle-nodes': 7 * MIN,
      machines: 7 * MIN,
      orphans: 7 * MIN,
      prune: 7 * MIN,
    })
    expect(SWEEPS.find(({ name }) => name === 'placement')?.everyMs(aConfig({ sweeps: { interval: 10_000 } }))).toBe(
      10_000,
    )
    expect(SWEEPS.filter(({ atStart }) => atStart).map(({ name }) => name)).toEqual(['restored', 'machines'])
  })

  it('of errors and of placement do what they are named for', async () => {
    all = await lives()
    const done: string[] = []
    const engine = { ...all.life.engine, placementChanged: () => void done.push('placed') }
    const flushing = { errors: { flush: async () => void done.push('flushed') } } as unknown as SweepParts
    for (const name of ['errors', 'placement']) {
      expect(await SWEEPS.find(sweep => sweep.name === name)?.run(engine, flushing, signal)).toEqual({})
    }
    expect(done).toEqual(['flushed', 'placed'])
  })
})
