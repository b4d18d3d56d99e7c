/** Slots: who holds one, who rests in one, and that none is given away twice. */
import { beforeEach, expect, it } from 'vitest'
import type { Task } from '../../../../../src/core/task.ts'
import { insertAttempt } from '../../../../../src/store/tables/attempts.ts'
import { insertNode } from '../../../../../src/store/tables/nodes.ts'
import {
  dropReservation,
  liveWorkspaces,
  machineCost,
  placeWorkspace,
  readWorkspace,
  releaseWorkspace,
  reservationOf,
  reserve,
  reservedOn,
  reservedOnOrders,
  restingWorkspaces,
  setWorkspaceStatus,
  slotHolders,
  slotsAtWork,
  slotsInUse,
} from '../../../../../src/store/tables/slots.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'
import { databasePerTest } from './database.ts'

const sql = databasePerTest()

beforeEach(() => {
  insertNode(sql(), aNode({ name: 'n1', pricePerHour: 0.5 }))
  insertNode(sql(), aNode({ name: 'n2' }))
})

function add(id: string, change: Partial<Task> = {}): void {
  insertTask(sql(), { id, spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
  insertAttempt(sql(), aTask({ id, ...change }))
}
const key = (id: string) => ({ id, attempt: 1 })
const workspaceOf = (taskId: string, nodeName = 'n1') => ({
  ...{ id: `${taskId}-1-1`, taskId, attempt: 1, placement: 1, nodeName, status: 'creating' },
})
function place(id: string, now = 0): void {
  reserve(sql(), { ...key(id), nodeName: 'n1' }, now)
  placeWorkspace(sql(), workspaceOf(id), now)
}

it('a reservation is made once, and is found by its task and by its node', () => {
  expect(reserve(sql(), { ...key('a'), nodeName: 'n1' }, 0)).toBe(true)
  expect(reserve(sql(), { ...key('a'), nodeName: 'n2' }, 0)).toBe(false)
  expect(reservationOf(sql(), key('a'))).toEqual({ id: 'a', attempt: 1, nodeName: 'n1' })
  expect(reservationOf(sql(), { id: 'a', attempt: 2 })).toBeUndefined()
  expect([reservedOn(sql(), 'n1'), reservedOn(sql(), 'n2')]).toEqual([[key('a')], []])
  expect([dropReservation(sql(), key('a')), dropReservation(sql(), key('a'))]).toEqual([true, false])
})

it('a reservation and the workspace that it becomes are one slot, until that is released', () => {
  place('a')
  reserve(sql(), { ...key('b'), nodeName: 'n1' }, 0)
  reserve(sql(), { ...key('c'), nodeName: 'n2' }, 0)
  expect(slotsInUse(sql())).toEqual(new Map([['n1', 2], ['n2', 1]])) // biome-ignore format: a table
  expect(reservationOf(sql(), key('a'))).toBeUndefined()
  expect([releaseWorkspace(sql(), 'a-1-1', 9), releaseWorkspace(sql(), 'a-1-1', 10)]).toEqual([true, false])
  expect(slotsInUse(sql()).get('n1')).toBe(1)
  expect(readWorkspace(sql(), 'a-1-1')).toEqual({ ...workspaceOf('a'), status: 'deleted', releasedAt: 9 })
  expect(readWorkspace(sql(), 'b-1-1')).toBeUndefined()
})

it('a workspace is placed by its reservation alone, and placing it again changes nothing', () => {
  place('a')
  setWorkspaceStatus(sql(), 'a-1-1', 'ready')
  expect(() => placeWorkspace(sql(), workspaceOf('a'), 5)).not.toThrow()
  expect(readWorkspace(sql(), 'a-1-1')).toEqual({ ...workspaceOf('a'), status: 'ready', releasedAt: null })
  const about = expect.objectContaining({ code: 'PLACEMENT_LOST', message: 'n1 had no slot left for b' })
  expect(() => placeWorkspace(sql(), workspaceOf('b'), 5)).toThrow(about)
  reserve(sql(), { ...key('b'), nodeName: 'n2' }, 0)
  expect(() => placeWorkspace(sql(), workspaceOf('b'), 5)).toThrow(about)
  expect(liveWorkspaces(sql()).map(({ id }) => id)).toEqual(['a-1-1'])
  expect([liveWorkspaces(sql(), 'n1').length, liveWorkspaces(sql(), 'n2')]).toEqual([1, []])
})

it('a parked task rests in its slot: it is no slot at work, but a reservation is one', () => {
  add('a', { status: 'parked', step: 'agent_session', parkedUntil: 100 })
  add('b', { status: 'in_progress', step: 'running' })
  for (const id of ['a', 'b']) place(id)
  expect([slotsAtWork(sql(), 'n1'), slotsAtWork(sql(), 'n2')]).toEqual([1, 0])
  reserve(sql(), { ...key('c'), nodeName: 'n1' }, 0)
  expect(slotsAtWork(sql(), 'n1')).toBe(2)
  expect(restingWorkspaces(sql(), 99)).toEqual(new Map([['n1', 1]]))
  expect(restingWorkspaces(sql(), 100)).toEqual(new Map())
})

it('the holders of the slots of a node are named, the oldest first', () => {
  for (const id of ['a', 'b', 'c']) add(id)
  reserve(sql(), { ...key('c'), nodeName: 'n1' }, 1)
  place('b', 2)
  place('a', 2)
  expect(slotHolders(sql(), 'n1').map(({ taskId }) => taskId)).toEqual(['c', 'a', 'b'])
  expect(slotHolders(sql(), 'n1')[0]).toEqual({ taskId: 'c', status: 'queued', step: 'node_selection' })
  expect(slotHolders(sql(), 'n2')).toEqual([])
})

it('a reservation on a machine that is not there yet is known as such', () => {
  insertNode(sql(), aNode({ name: 'ordered', status: 'ordered', autoProvisioned: true }))
  insertNode(sql(), aNode({ name: 'late', status: 'creating', autoProvisioned: true, deadlineAt: 5 }))
  insertNode(sql(), aNode({ name: 'box', status: 'booting' }))
  insertNode(sql(), aNode({ name: 'boots', status: 'booting', autoProvisioned: true }))
  for (const nodeName of ['ordered', 'late', 'box', 'boots', 'n1']) {
    reserve(sql(), { ...key(`of-${nodeName}`), nodeName }, 0)
  }
  const found = reservedOnOrders(sql()).sort((a, b) => (a.nodeName < b.nodeName ? -1 : 1))
  expect(found).toEqual([
    { ...key('of-box'), nodeName: 'box' },
    { ...key('of-ordered'), nodeName: 'ordered' },
  ])
})

it('a task costs what its machines cost while its workspaces stood on them, and nothing where no price is known', () => {
  const HOUR = 3_600_000
  place('a')
  expect(machineCost(sql(), 'a', 2 * HOUR)).toBe(1)
  releaseWorkspace(sql(), 'a-1-1', HOUR)
  expect(machineCost(sql(), 'a', 2 * HOUR)).toBe(0.5)
  expect(machineCost(sql(), 'b', 2 * HOUR)).toBeNull()
  place('c', HOUR)
  // A clock that was set back costs nothing.
  expect(machineCost(sql(), 'c', 0)).toBe(0)
})
