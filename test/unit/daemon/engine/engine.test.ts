import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSignals } from '../../../../src/store/tables/inbox.ts'
import { readNewestEvents } from '../../../../src/store/tables/journal.ts'
import { aSpec } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
beforeEach(async () => {
  out = outside()
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const ready = (workspaceId: string) => ({
  kind: 'workspace' as const,
  signal: { workspaceId, kind: 'workspace_ready' as const, sessionId: null, payload: { seq: 1, status: 'running' } },
})
const about = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }

describe('the door of the engine', () => {
  it('opens a task once, however often it is submitted', async () => {
    for (const _ of [1, 2]) {
      expect(await life.engine.submit({ id: 't1', spec: aSpec(), ...about })).toEqual({ id: 't1', attempt: 1 })
    }
    await life.world.run(() => life.task('t1').step === null)
    expect(life.steps('t1').filter(step => step === 'node_selection')).toHaveLength(1)
    expect([...(out.agents.get('n1')?.starts.values() ?? [])]).toEqual([1])
  })

  it('starts an attempt once, however often it is asked', async () => {
    const id = await life.submit({}, { exitCode: 1 })
    await life.world.run(() => life.task(id).step === null)
    for (const _ of [1, 2]) expect(await life.engine.start(id, 2)).toEqual({ id, attempt: 2 })
    expect(life.task(id)).toMatchObject({ attempt: 2, status: 'queued' })
    await life.world.run(() => life.task(id).step === null)
    expect([...(out.agents.get('n1')?.starts.keys() ?? [])]).toEqual([`${id}-1-1-s1`, `${id}-2-1-s1`])
    expect(life.task(id, 1)).toMatchObject({ status: 'failed', verdict: 'agent_error' })
    expect(await life.engine.submit({ id, spec: aSpec(), ...about })).toEqual({ id, attempt: 2 })
  })

  it('starts no attempt over one that is not over, and none out of turn', async () => {
    const id = await life.submit({}, { hangs: true })
    await expect(life.engine.start(id, 2)).rejects.toMatchObject({ code: 'WRONG_STATE' })
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    await expect(life.engine.start(id, 3)).rejects.toMatchObject({ code: 'WRONG_STATE' })
    await expect(life.engine.start('nobody', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('goes on from no attempt whose agent is at work, and hands it nothing', async () => {
    const id = await life.submit({}, { hangs: true })
    await life.world.run(() => life.task(id).step === 'running')
    const refused = life.engine.goOn(id, { key: 'k', hash: 'h', change: { prompt: 'more' } })
    await expect(refused).rejects.toMatchObject({ code: 'WRONG_STATE', hint: `tdf send ${id} "what to do next"` })
    expect(openSignals(life.engine.store.sql, { id, attempt: 1 })).toEqual([])
  })

  it('reads a row again that was changed behind its back, and writes nothing over it', async () => {
    const id = await life.submit({}, { hangs: true })
    await life.world.run(() => life.task(id).step === 'running')
    const { sql } = life.engine.store
    sql.run("update attempts set rev = rev + 1, facts = json_set(facts, '$.parks', 3) where task_id = ?", id)
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'cancelled', facts: { parks: 3 } })
    const ends = readNewestEvents(sql, id, 1_000).filter(({ data }) => data.to === 'cancelled')
    expect(ends).toHaveLength(1)
  })

  it('answers a signal for what it does not know, and keeps nothing of it', async () => {
    expect(await life.engine.signal(ready('w9'))).toEqual({ accepted: false, reason: 'the workspace is not known' })
    expect(await life.engine.signal({ kind: 'cancel', taskId: 'nobody' })).toMatchObject({ accepted: false })
    const { kind, ...beat } = { kind: 'heartbeat' as const, cpuPercent: 1, memoryPercent: 1, diskPercent: 1 }
    const nobody = await life.engine.signal({ kind, name: 'nobody', stateId: 's', ...beat })
    expect(nobody).toEqual({ accepted: false, reason: 'the node is gone' })
  })

  it('takes a signal before its step is reached, and uses it there', async () => {
    const agent = out.agents.get('n1')
    if (!agent) throw new Error('no agent')
    agent.faults.loseAnswer.push(/^POST \/workspaces$/)
    agent.faults.losePushes = true
    const id = await life.submit()
    await life.world.run(() => agent.builds.size === 1)
    expect(life.task(id).step).toBe('workspace_creation')
    const [workspace] = agent.workspaces.values()
    if (workspace) workspace.status = 'ready'
    expect(await life.engine.signal(ready(`${id}-1-1`))).toEqual({ accepted: true })
    await life.world.run(() => life.task(id).step === 'running')
    expect(agent.requests.filter(line => line === `GET /workspaces/${id}-1-1`)).toEqual([])
  })

  it('takes the same fact once, and a fact about a run that is over not at all', async () => {
    const id = await life.submit({}, { hangs: true })
    await life.world.run(() => life.task(id).step === 'running')
    expect(await life.engine.signal(ready(`${id}-1-1`))).toEqual({ accepted: true })
    expect(life.task(id).step).toBe('running')
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    expect(await life.engine.signal(ready(`${id}-1-1`))).toEqual({ accepted: false, reason: 'the run is over' })
    expect(await life.engine.signal({ kind: 'cancel', taskId: id })).toEqual({
      accepted: false,
      reason: 'the task is cancelled',
    })
  })

  it('knows nothing of an unknown id', () => {
    expect(life.engine.query('nobody')).toBeUndefined()
    expect(life.engine.query('nobody', 1)).toBeUndefined()
  })

  it('is heard by signals without a change of rev', async () => {
    const id = await life.submit({}, { hangs: true })
    await life.world.run(() => life.task(id).step === 'running')
    const { rev } = life.task(id)
    const told = { workspaceId: `${id}-1-1`, kind: 'session_exited', sessionId: 'another', payload: {} } as const
    await life.engine.signal({ kind: 'workspace', signal: told })
    expect(life.task(id).rev).toBe(rev)
  })

  it('writes a journal that is a path of the journey', async () => {
    const id = await life.submit()
    await life.world.run(() => life.task(id).step === null)
    const steps = readNewestEvents(life.engine.store.sql, id, 100).filter(({ type }) => type === 'task.step')
    for (const [index, { data }] of steps.entries())
      expect(data.from).toBe(index === 0 ? null : steps[index - 1]?.data.to)
  })
})
