/** The life of a hop beside its good end: what fails is on record, what was moved meanwhile is run again, what is logged is true. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAttempt, updateAttempt, wakeAttempt } from '../../../../src/store/tables/attempts.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import type { FakeAgent } from '../../../fakes/agent.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
/** What happens while the agent of a node is asked. */
let meanwhile: () => Promise<void> | void
beforeEach(async () => {
  meanwhile = () => {}
  out = outside({ latency: () => () => meanwhile() })
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const MIN = 60_000
const agent = () => out.agents.get('n1') as FakeAgent
const sql = () => life.engine.store.sql
const key = (id: string) => ({ id, attempt: 1 })
const until = (id: string, step: string | null, withinMs = 60 * MIN) =>
  life.world.run(() => life.task(id).step === step, withinMs)

describe('a failure', () => {
  const failures = () =>
    due(sql(), 'error', life.world.clock.now(), 100).map(({ payload: { level, step, code } }) => ({
      level,
      step,
      code,
    }))

  it('is on record for each try that failed, and for the one that ended the attempt', async () => {
    const retries = life.engine.config.runner.stepMaxRetries
    const refusal = { match: /agent-sessions$/, status: 503 }
    agent().faults.refuse.push(...Array.from({ length: retries + 1 }, () => refusal))
    await until(await life.submit(), null)
    const about = { step: 'agent_session', code: 'AGENT_BUSY' }
    expect(failures()).toEqual([
      ...Array.from({ length: retries }, () => ({ level: 'warn', ...about })),
      { level: 'error', ...about },
    ])
  })

  it('is on record once where the row of a task is damaged, and the row stays as it is', async () => {
    const id = await life.submit({}, { hangs: true })
    await until(id, 'running')
    sql().run("update attempts set facts = '{\"broken' where task_id = ?", id)
    await life.world.run(() => false, 5 * MIN)
    expect(failures()).toEqual([{ level: 'error', step: null, code: 'STATE_CORRUPT' }])
    expect(sql().one('select facts from attempts where task_id = ?', id)).toEqual({ facts: '{"broken' })
  })
})

describe('a hop that lost the race for its row', () => {
  it('counts for nothing and is run again at once', async () => {
    const id = await life.submit()
    let moves = 0
    meanwhile = () => {
      if (moves === 3 || life.engine.query(id)?.step !== 'salvage') return
      moves += 1
      sql().run('update attempts set rev = rev + 1 where task_id = ?', id)
    }
    expect(await until(id, null, MIN)).toBe(true)
    expect(moves).toBe(3)
    expect(life.task(id)).toMatchObject({ status: 'completed' })
    expect([...agent().builds.values()]).toEqual([1])
  })

  it('is run again at once where it was that of a node', async () => {
    const pulledAt = () => readNode(sql(), 'n1')?.facts.pulledAt ?? 0
    await until(await life.submit({}, { hangs: true }), 'running')
    const before = pulledAt()
    const moves: number[] = []
    meanwhile = () => {
      if (moves.length === 3) return
      moves.push(life.world.clock.now())
      sql().run("update nodes set rev = rev + 1 where name = 'n1'")
    }
    expect(await life.world.run(() => pulledAt() > before, 30 * MIN)).toBe(true)
    expect(moves).toEqual([pulledAt(), pulledAt(), pulledAt()])
  })
})

describe('a wake that comes in while an outcome is made', () => {
  it('is kept by the row: what is saved is due now, not when the outcome said', async () => {
    const id = await life.submit({}, { hangs: true })
    await until(id, 'running')
    const now = life.world.clock.now()
    const seen = readAttempt(sql(), key(id))
    if (!seen) throw new Error('no attempt')
    await life.engine.store.commit(() => {
      expect(wakeAttempt(sql(), key(id), now)).toBe(true)
      updateAttempt(sql(), seen, { ...seen, wakeAt: now + 60 * MIN }, now)
    })
    expect(readAttempt(sql(), key(id))?.wakeAt).toBe(now)
  })

  it('leads to the next hop at once', async () => {
    const id = await life.submit({}, { hangs: true })
    await until(id, 'running')
    const session = { workspaceId: `${id}-1-1`, sessionId: `${id}-1-1-s1` }
    const payload = { seq: 9, attempt: 1, sessionId: session.sessionId, status: 'completed', exitCode: 0, signal: null }
    const looks = () => agent().requests.filter(line => line.endsWith(`/agent-sessions/${session.sessionId}`)).length
    const before = looks()
    let isTold = false
    meanwhile = async () => {
      // The look has its answer, that the session runs, when the exit is reported.
      if (isTold || looks() === before) return
      isTold = true
      await life.engine.signal({ kind: 'workspace', signal: { ...session, kind: 'session_exited', payload } })
    }
    await life.world.run(() => isTold)
    expect(await life.world.run(() => life.task(id).step !== 'running', 1_000)).toBe(true)
    expect(life.task(id).facts.exit).toMatchObject({ exitCode: 0 })
  })
})

it('logs how long the task was in the step that it left, waits included', async () => {
  const lines: { step: string; to: string | null; ms: number }[] = []
  life.engine.log.info = (about, message) => {
    if (message === 'transition') lines.push(about as (typeof lines)[number])
  }
  const id = await life.submit({}, { ms: 2 * MIN, commits: 1 })
  await until(id, null)
  const left = lines.find(({ step, to }) => step === 'running' && to === 'salvage')
  expect(left?.ms).toBeGreaterThanOrEqual(2 * MIN)
})
