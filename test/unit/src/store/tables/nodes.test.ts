/** Nodes as rows, what a jump of the clock does to every planned time, and how the history is kept short. */
import { describe, expect, it } from 'vitest'
import { insertAttempt, readAttempt } from '../../../../../src/store/tables/attempts.ts'
import {
  firstSeq,
  lastSeq,
  pruneEvents,
  readEvents,
  readNewestEvents,
} from '../../../../../src/store/tables/journal.ts'
import { moveTimes } from '../../../../../src/store/tables/meta.ts'
import * as nodes from '../../../../../src/store/tables/nodes.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'
import { databasePerTest } from './database.ts'

const sql = databasePerTest()
const seen = (name = 'n1') => {
  const node = nodes.readNode(sql(), name)
  if (!node) throw new Error(`no node ${name}`)
  return node
}

describe('a node', () => {
  it('comes back as it was stored, and is stored once', () => {
    const node = aNode({ autoProvisioned: true, facts: { serverId: '7' }, pricePerHour: 0.5, deadlineAt: 9 })
    expect([nodes.insertNode(sql(), node), nodes.insertNode(sql(), aNode({ size: 'large' }))]).toEqual([true, false])
    expect(seen()).toEqual({ ...node, wakes: 0 })
    expect(nodes.readNode(sql(), 'n2')).toBeUndefined()
  })

  it('takes what follows from a look, and refuses a second one that was made from the same', () => {
    nodes.insertNode(sql(), aNode({ wakeAt: 5 }))
    const before = seen()
    expect(nodes.updateNode(sql(), before, { ...before, status: 'draining', wakeAt: 90 }, 10)).toBe(90)
    expect(seen()).toEqual({ ...before, status: 'draining', wakeAt: 90, rev: 1 })
    expect(nodes.updateNode(sql(), before, { ...before, status: 'lost' }, 10)).toBe(false)
    expect(seen().status).toBe('draining')
    nodes.deleteNode(sql(), 'n1')
    expect(nodes.updateNode(sql(), before, before, 10)).toBe(false)
  })

  it('is looked at at once when it was woken meanwhile, and never when its journey is over', () => {
    nodes.insertNode(sql(), aNode({ wakeAt: 100 }))
    const before = seen()
    expect([nodes.wakeNode(sql(), 'n1', 200), seen().wakeAt]).toEqual([true, 100])
    expect(nodes.updateNode(sql(), before, { ...before, wakeAt: 900 }, 60)).toBe(60)
    expect(nodes.updateNode(sql(), seen(), { ...seen(), wakeAt: null }, 60)).toBeNull()
    expect([nodes.wakeNode(sql(), 'n1', 1), seen().wakeAt]).toEqual([false, null])
  })

  it('under suspicion forgets when it was last asked', () => {
    nodes.insertNode(sql(), aNode({ wakeAt: 100, facts: { pulledAt: 4, serverId: '7' } }))
    expect(nodes.suspectNode(sql(), 'n1', 3)).toBe(true)
    expect(seen()).toMatchObject({ wakeAt: 3, facts: { serverId: '7' } })
    expect(seen().facts.pulledAt).toBeUndefined()
  })

  it('that is over is listed only with all, the oldest first', () => {
    nodes.insertNode(sql(), aNode({ name: 'b', createdAt: 1 }))
    nodes.insertNode(sql(), aNode({ name: 'a', createdAt: 2 }))
    nodes.insertNode(sql(), aNode({ name: 'c', status: 'destroyed', wakeAt: null }))
    nodes.insertNode(sql(), aNode({ name: 'd', status: 'failed', wakeAt: 4, createdAt: 3 }))
    const names = (all?: boolean) => nodes.readNodes(sql(), all).map(({ name }) => name)
    expect([names(), names(true)]).toEqual([
      ['b', 'a', 'd'],
      ['c', 'b', 'a', 'd'],
    ])
    expect(nodes.countNodes(sql())).toEqual({ ready: 2, destroyed: 1, failed: 1 })
  })

  it('is last heard of by its newest heartbeat, which goes with it', () => {
    const beat = { at: 5, cpuPercent: 1, memoryPercent: 2, diskPercent: null }
    nodes.insertNode(sql(), aNode())
    expect(nodes.readHeartbeat(sql(), 'n1')).toBeNull()
    nodes.writeHeartbeat(sql(), 'n1', beat)
    nodes.writeHeartbeat(sql(), 'n2', beat)
    nodes.writeHeartbeat(sql(), 'n1', { ...beat, at: 6, diskPercent: 3 })
    expect(nodes.readHeartbeat(sql(), 'n1')).toEqual({ ...beat, at: 6, diskPercent: 3 })
    expect([...nodes.readHeartbeats(sql()).keys()].sort()).toEqual(['n1', 'n2'])
    nodes.deleteNode(sql(), 'n1')
    expect([...nodes.readHeartbeats(sql()).keys()]).toEqual(['n2'])
  })
})

describe('a jump of the clock', () => {
  function begin(): void {
    insertTask(sql(), { id: 't1', spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
    insertAttempt(sql(), aTask({ wakeAt: 100, deadlineAt: 200, absoluteAt: 300 }))
    nodes.insertNode(sql(), aNode({ wakeAt: 100, deadlineAt: 200 }))
    nodes.insertNode(sql(), aNode({ name: 'n2', wakeAt: 100 }))
  }
  const task = () => readAttempt(sql(), { id: 't1', attempt: 1 })

  it('forward moves what runs out, not what is planned, and a look that is under way counts for nothing', () => {
    begin()
    moveTimes(sql(), 50)
    expect(task()).toMatchObject({ wakeAt: 100, deadlineAt: 250, absoluteAt: 350, rev: 1 })
    expect(seen()).toMatchObject({ wakeAt: 100, deadlineAt: 250, rev: 1 })
    expect(seen('n2')).toMatchObject({ wakeAt: 100, deadlineAt: null, rev: 0 })
  })

  it('of nothing plans nothing anew', () => {
    begin()
    moveTimes(sql(), 0)
    expect(seen('n2')).toMatchObject({ wakeAt: 100, rev: 0 })
  })

  it('back takes along what is planned', () => {
    begin()
    moveTimes(sql(), -50)
    expect(task()).toMatchObject({ wakeAt: 50, deadlineAt: 150, absoluteAt: 250 })
    expect(seen('n2')).toMatchObject({ wakeAt: 50, rev: 1 })
  })
})

describe('the history', () => {
  const event = (at: number, type: string, data: object, taskId: string | null = null) =>
    sql().run(
      'insert into events (at, type, task_id, data) values (?, ?, ?, ?)',
      ...[at, type, taskId, JSON.stringify(data)],
    )

  it('is read from a number on, of one task or of all', () => {
    expect([firstSeq(sql()), lastSeq(sql())]).toEqual([0, 0])
    event(1, 'a', { x: 1 }, 't1')
    event(2, 'b', {})
    event(3, 'c', {}, 't1')
    const types = (events: readonly { type: string }[]) => events.map(({ type }) => type)
    expect(types(readEvents(sql(), { after: 0, limit: 2 }))).toEqual(['a', 'b'])
    expect([9, 1].map(limit => types(readNewestEvents(sql(), 't1', limit)))).toEqual([['a', 'c'], ['c']])
    expect(readEvents(sql(), { after: 0, limit: 1 })).toEqual([
      { seq: 1, at: 1, type: 'a', taskId: 't1', attempt: null, nodeName: null, step: null, data: { x: 1 } },
    ])
  })

  it('loses what is old or too much, the oldest first, and never its newest', () => {
    for (let at = 1; at <= 6; at++) event(at, 'e', {})
    expect([pruneEvents(sql(), 3, 100, 1), firstSeq(sql())]).toEqual([1, 2])
    expect([pruneEvents(sql(), 3, 100, 10), firstSeq(sql())]).toEqual([1, 3])
    expect([pruneEvents(sql(), 0, 2, 10), firstSeq(sql())]).toEqual([2, 5])
    expect([pruneEvents(sql(), 99, 0, 10), firstSeq(sql()), lastSeq(sql())]).toEqual([1, 6, 6])
  })
})
