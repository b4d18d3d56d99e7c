import { describe, expect, it } from 'vitest'
import { createKnownRows } from '../../daemon/known-rows.ts'
import type { ReadTask } from '../../src/store/attempts.ts'
import { aTask } from '../support/builders.ts'

const row = (id: string, task: Partial<ReadTask> = {}) => ({
  ...aTask({ id, step: 'running' }),
  wakes: 0,
  wakeAt: 900,
  ...task,
})

describe('rows that are known', () => {
  it('are given once', () => {
    const rows = createKnownRows()
    rows.keep({ task: row('one'), signals: [] })
    expect(rows.take({ id: 'one', attempt: 1 })?.task.id).toBe('one')
    expect(rows.take({ id: 'one', attempt: 1 })).toBeUndefined()
  })

  it('count a wake, and forget what they knew of the inbox when something was told', () => {
    const rows = createKnownRows()
    rows.keep({ task: row('told'), signals: [] })
    rows.keep({ task: row('called'), signals: [] })
    rows.woken({ id: 'told', attempt: 1 }, 500, true)
    rows.woken({ id: 'called', attempt: 1 }, 500, false)
    expect(rows.take({ id: 'told', attempt: 1 })).toMatchObject({ task: { wakes: 1, wakeAt: 500 }, signals: undefined })
    expect(rows.take({ id: 'called', attempt: 1 })).toMatchObject({ task: { wakes: 1, wakeAt: 500 }, signals: [] })
  })

  it('hold nobody who has nothing left to do', () => {
    const rows = createKnownRows()
    rows.keep({ task: row('over'), signals: [] })
    rows.keep({ task: row('over', { step: null }), signals: [] })
    expect(rows.take({ id: 'over', attempt: 1 })).toBeUndefined()
  })

  it('are bounded: the oldest has to be read again', () => {
    const rows = createKnownRows()
    for (let number = 0; number < 1_025; number++) rows.keep({ task: row(`t${number}`), signals: [] })
    expect(rows.take({ id: 't0', attempt: 1 })).toBeUndefined()
    expect(rows.take({ id: 't1', attempt: 1 })).toBeDefined()
  })
})
