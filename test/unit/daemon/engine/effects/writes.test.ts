/** What a decision writes beside the task itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyWrite } from '../../../../../daemon/engine/effects/writes.ts'
import type { Write } from '../../../../../daemon/engine/rules/transition.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { callbackToken, hashToken } from '../../../../../src/platform/tokens.ts'
import { cleanupsOf } from '../../../../../src/store/tables/cleanups.ts'
import { limitOf, readToken } from '../../../../../src/store/tables/meta.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { liveWorkspaces, readWorkspace, reservationOf, reserve } from '../../../../../src/store/tables/slots.ts'
import { aTask } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
/** How often a placement was asked for. */
let passes: number
beforeEach(async () => {
  passes = 0
  all = await lives()
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const key = { id: 't1', attempt: 1 }
const task = aTask({ nodeName: 'n1', workspaceId: 't1-1-1' })
const write = (what: Write, change: Partial<Task> = {}) => {
  const engine = { ...all.life.engine, placementChanged: () => void passes++ }
  return engine.store.commit(() => applyWrite(engine, { ...task, ...change }, what, now()))
}
const place = { kind: 'place', nodeName: 'n1' } as const

describe('a placement', () => {
  it('turns the reservation into a workspace, and its token is known', async () => {
    reserve(sql(), { ...key, nodeName: 'n1' }, now())
    await write(place)
    const about = { taskId: 't1', attempt: 1, placement: 1, nodeName: 'n1', status: 'creating', releasedAt: null }
    expect(readWorkspace(sql(), 't1-1-1')).toMatchObject(about)
    expect(reservationOf(sql(), key)).toBeUndefined()
    const token = hashToken(callbackToken(all.life.engine.install, task))
    expect(readToken(sql(), token)).toEqual({ scope: 'workspace', subject: 't1-1-1', taskId: 't1', attempt: 1 })
  })

  it('whose slot is gone writes nothing', async () => {
    await expect(write(place)).rejects.toMatchObject({ code: 'PLACEMENT_LOST' })
    await write(place, { workspaceId: null })
    expect(liveWorkspaces(sql())).toEqual([])
  })

  it('has the status that the decision names', async () => {
    reserve(sql(), { ...key, nodeName: 'n1' }, now())
    await write(place)
    await write({ kind: 'workspace_status', status: 'ready' } as Write)
    expect(readWorkspace(sql(), 't1-1-1')?.status).toBe('ready')
    await write({ kind: 'workspace_status', status: 'lost' } as Write, { workspaceId: null })
    expect(readWorkspace(sql(), 't1-1-1')?.status).toBe('ready')
  })
})

it('a reservation that is dropped gives its slot to the next task, once', async () => {
  reserve(sql(), { ...key, nodeName: 'n1' }, now())
  await write({ kind: 'drop_reservation' } as Write)
  expect([reservationOf(sql(), key), passes]).toEqual([undefined, 1])
  await write({ kind: 'drop_reservation' } as Write)
  expect(passes).toBe(1)
})

it('what has to be undone is due at once, each part on its own', async () => {
  const items = ['stop_workspace', 'delete_workspace'] as const
  await write({ kind: 'cleanup', items, workspaceId: 't1-1-1', nodeName: 'n1' } as unknown as Write)
  const about = { ...key, nodeName: 'n1', subject: 't1-1-1', dueAt: now(), state: 'pending', tries: 0 }
  expect(cleanupsOf(sql(), key)).toMatchObject(items.map(kind => ({ ...about, kind })))
})

it('a usage limit holds for the credential that met it', async () => {
  await write({ kind: 'limit', credential: 'claude KEY', until: now() + HOUR })
  expect(limitOf(sql(), 'claude KEY')).toBe(now() + HOUR)
})

it('the node of work that is not saved is held', async () => {
  await write({ kind: 'hold_node' } as Write)
  expect(readNode(sql(), 'n1')?.status).toBe('held')
})

it('the next attempt goes on from the saved work that the one before was asked to resume', async () => {
  await all.submit({}, { exitCode: 1, commits: 1 })
  expect(await all.rest()).toBe(true)
  await all.life.engine.start('task-1', 2, { resume: true })
  const { resume } = all.life.task('task-1').facts
  await write({ kind: 'next_attempt' } as Write, all.life.task('task-1'))
  expect(all.life.task('task-1')).toMatchObject({ attempt: 3, facts: { resume } })
  expect(resume).toMatchObject({ ref: 'refs/tdf/task-1/1' })
})

it('the next attempt packs that work anew, and its agent is at it', async () => {
  Object.assign(all.life.engine.config.runner, { maxAttempts: 3 })
  await all.submit({}, { exitCode: 1, commits: 1 })
  expect(await all.rest()).toBe(true)
  await all.life.engine.start('task-1', 2, { resume: true })
  await all.until(() => all.life.task('task-1').step === 'running')
  all.agent().wipe()
  expect(await all.until(() => all.life.task('task-1').attempt === 3 && all.life.task('task-1').step === null)).toBe(
    true,
  )
  expect(all.life.task('task-1')).toMatchObject({
    verdict: 'agent_error',
    facts: { resume: { ref: 'refs/tdf/task-1/1' } },
  })
})

it('the next attempt is opened, and waits for a slot', async () => {
  await all.submit({}, { exitCode: 1 })
  expect(await all.rest()).toBe(true)
  await write({ kind: 'next_attempt' } as Write, all.life.task('task-1'))
  const opened = { attempt: 2, status: 'queued', step: 'node_selection', placement: 1, nodeName: null }
  expect(all.life.task('task-1')).toMatchObject(opened)
  expect(all.life.task('task-1').wakeAt).toBe(now() + all.life.engine.config.runner.queueTimeout)
})
