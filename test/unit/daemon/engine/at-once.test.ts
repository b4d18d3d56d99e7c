/** What a call says is acted on in the transaction of the call, and never keeps the call itself from being stored. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSignals } from '../../../../src/store/tables/inbox.ts'
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

/** A task whose workspace is ready, and which was not told so. */
async function waiting(): Promise<string> {
  const agent = out.agents.get('n1')
  if (!agent) throw new Error('no agent')
  agent.faults.losePushes = true
  const id = await life.submit()
  await life.world.run(() => agent.workspaces.get(`${id}-1-1`)?.status === 'ready')
  expect(life.task(id).step).toBe('workspace_ready')
  return id
}
const ready = (id: string) =>
  life.engine.signal({
    kind: 'workspace',
    signal: {
      ...{ workspaceId: `${id}-1-1`, kind: 'workspace_ready' as const, sessionId: null },
      payload: { seq: 1, status: 'running' },
    },
  })

it('moves the task on before the call is answered, in one commit', async () => {
  const id = await waiting()
  const before = life.world.effects()
  expect(await ready(id)).toEqual({ accepted: true })
  expect(life.task(id)).toMatchObject({ step: 'agent_session', sessionId: `${id}-1-1-s1` })
  expect(life.world.effects() - before).toBe(1)
  expect(openSignals(life.engine.store.sql, { id, attempt: 1 })).toEqual([])
})

it('hears the same call twice as one', async () => {
  const id = await waiting()
  expect(await Promise.all([ready(id), ready(id)])).toEqual([{ accepted: true }, { accepted: true }])
  await life.world.run(() => life.task(id).step === null)
  expect(life.steps(id).filter(step => step === 'agent_session')).toHaveLength(1)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})

it('leaves a task alone that was cancelled', async () => {
  const id = await waiting()
  await Promise.all([life.engine.signal({ kind: 'cancel', taskId: id }), ready(id)])
  expect(life.task(id).step).toBe('workspace_ready')
  await life.world.run(() => life.task(id).step === null)
  expect(life.task(id)).toMatchObject({ status: 'cancelled' })
  expect(life.steps(id)).not.toContain('agent_session')
})

it('keeps the call when what follows from it cannot be stored, and takes it up again', async () => {
  const id = await waiting()
  const { sql } = life.engine.store
  sql.script(`create trigger boom before update of step on attempts when new.step = 'agent_session'
    begin select raise(abort, 'not this one'); end`)
  expect(await ready(id)).toEqual({ accepted: true })
  expect(life.task(id).step).toBe('workspace_ready')
  expect(openSignals(sql, { id, attempt: 1 })).toHaveLength(1)
  await life.world.settle()
  sql.script('drop trigger boom')
  await life.world.run(() => life.task(id).step === null)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})

it('waits for the end of a run that is under way', async () => {
  const id = await waiting()
  // Nobody else tells it.
  out.agents.get('n1')?.events.splice(0)
  const stepsThen: unknown[] = []
  meanwhile = async () => {
    if (life.engine.loop.isFree(`task:${id}/1`) || stepsThen.length > 0) return
    await ready(id)
    stepsThen.push(life.task(id).step)
  }
  await life.world.run(() => life.task(id).step === null)
  expect(stepsThen).toEqual(['workspace_ready'])
  expect(life.steps(id).filter(step => step === 'agent_session')).toHaveLength(1)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})

it('moves no task while a jump of the clock is not taken in', async () => {
  const id = await waiting()
  life.world.clock.jump(-3_600_000)
  expect(await ready(id)).toEqual({ accepted: true })
  expect(life.task(id).step).toBe('workspace_ready')
  await life.world.run(() => life.task(id).step === null)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})
