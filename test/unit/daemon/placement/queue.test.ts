/** The tasks that wait for a slot stand in one order, whatever came and went before somebody looked. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PlacementRequest } from '../../../../daemon/placement/place.ts'
import { createQueue } from '../../../../daemon/placement/queue.ts'

const request = (number: number, priority = 0, attempt = 1): PlacementRequest => ({
  id: `t${number}`,
  attempt,
  priority,
  number,
  node: null,
  provider: null,
  size: null,
  location: null,
  credential: null,
  labels: {},
  reserved: null,
})
const ids = (queue: ReturnType<typeof createQueue>) => queue.list().map(({ id, attempt }) => `${id}.${attempt}`)

describe('the queue', () => {
  it('is empty at first', () => expect(createQueue().list()).toEqual([]))

  it('is in the order of priority, then of age, then of attempts, however the tasks came', () => {
    const queue = createQueue()
    for (const one of [request(3), request(1), request(2, 5), request(1, 0, 2), request(4)]) queue.add(one)
    expect(ids(queue)).toEqual(['t2.1', 't1.1', 't1.2', 't3.1', 't4.1'])
    queue.add(request(0))
    expect(ids(queue)).toEqual(['t2.1', 't0.1', 't1.1', 't1.2', 't3.1', 't4.1'])
  })

  it('has a task once, as it was added last', () => {
    const queue = createQueue()
    queue.add(request(1))
    queue.add(request(2))
    queue.add(request(2, 9))
    expect(ids(queue)).toEqual(['t2.1', 't1.1'])
    expect(queue.list()[0]?.priority).toBe(9)
  })

  it('knows who stands in it, by task and attempt', () => {
    const queue = createQueue()
    queue.add(request(1))
    expect(queue.has({ id: 't1', attempt: 1 })).toBe(true)
    expect(queue.has({ id: 't1', attempt: 2 })).toBe(false)
    queue.remove({ id: 't1', attempt: 1 })
    expect(queue.has({ id: 't1', attempt: 1 })).toBe(false)
  })

  it('loses one that leaves, and no other', () => {
    const queue = createQueue()
    for (const number of [1, 2, 3, 4]) queue.add(request(number))
    queue.remove({ id: 't1', attempt: 1 })
    expect(ids(queue)).toEqual(['t2.1', 't3.1', 't4.1'])
    queue.remove({ id: 't3', attempt: 1 })
    expect(ids(queue)).toEqual(['t2.1', 't4.1'])
    queue.remove({ id: 't9', attempt: 1 })
    expect(ids(queue)).toEqual(['t2.1', 't4.1'])
  })

  it('has nobody to lose when it is empty or not in order yet', () => {
    const queue = createQueue()
    queue.add(request(2))
    queue.add(request(1))
    queue.remove({ id: 't2', attempt: 1 })
    queue.remove({ id: 't1', attempt: 1 })
    queue.remove({ id: 't1', attempt: 1 })
    expect(ids(queue)).toEqual([])
  })

  it('is not sorted again for a task that comes last, or for the first one that leaves', () => {
    const queue = createQueue()
    queue.add(request(1))
    const seen = queue.list()
    queue.add(request(2))
    queue.remove({ id: 't1', attempt: 1 })
    expect(queue.list()).toBe(seen)
    expect(ids(queue)).toEqual(['t2.1'])
  })

  it('stands as if all had come in order', () => {
    const acts = fc.array(fc.record({ number: fc.nat(6), priority: fc.nat(2), leaves: fc.boolean() }), {
      maxLength: 30,
    })
    fc.assert(
      fc.property(acts, all => {
        const queue = createQueue()
        const there = new Map<string, PlacementRequest>()
        for (const { number, priority, leaves } of all) {
          const one = request(number, priority)
          if (leaves) queue.remove(one)
          else queue.add(one)
          if (leaves) there.delete(one.id)
          else there.set(one.id, one)
          const sorted = [...there.values()].sort((a, b) => b.priority - a.priority || a.number - b.number)
          expect(queue.list()).toEqual(sorted)
        }
      }),
    )
  })
})
