/** What the dashboard writes: few bytes, no cleared screen, whatever happens. */
import { afterEach, describe, expect, it } from 'vitest'
import { STEPS } from '../../../../src/core/task.ts'
import type { EventJson } from '../../../../src/protocol/control.ts'
import type { ScreenTaskJson } from '../../../../src/protocol/screen.ts'
import { ago, anEvent, aRow, NOON, type Shown, show } from '../../../support/screen/tui.tsx'

let shown: Shown
afterEach(() => shown.close())

const TASKS = 5_000
const EVENTS_A_SECOND = 200

function busyTasks(): ScreenTaskJson[] {
  return Array.from({ length: TASKS }, (_, index) => {
    const step = STEPS[index % STEPS.length] ?? 'running'
    const status = step === 'node_selection' ? 'queued' : 'in_progress'
    const id = `t${String(index).padStart(9, '0')}`
    return aRow({
      id,
      title: `task ${index}`,
      status,
      step,
      createdAt: ago(index * 1_000),
      stepEnteredAt: ago(index * 10),
    })
  })
}

/** Those of a tenth of a second, spread over all tasks by a fixed rule; one in twenty is about a row on the screen. */
function eventsOf(tenth: number, onScreen: readonly string[]): EventJson[] {
  return Array.from({ length: EVENTS_A_SECOND / 10 }, (_, index) => {
    const seq = tenth * (EVENTS_A_SECOND / 10) + index + 1
    const somewhere = `t${String((seq * 7_919) % TASKS).padStart(9, '0')}`
    const taskId = seq % 20 === 0 ? (onScreen[(seq / 20) % onScreen.length] ?? somewhere) : somewhere
    const at = new Date(NOON + tenth * 100).toISOString()
    return anEvent({ seq, at, taskId, data: { from: 'running', to: STEPS[seq % STEPS.length], ms: 5 } })
  })
}

describe('with 5 000 tasks and 200 events a second', () => {
  it('writes less than 1 kB an update on average, and clears nothing', async () => {
    shown = show({ columns: 120, rows: 40 })
    shown.store.dispatch({ kind: 'snapshot', snapshot: { seq: 0, tasks: busyTasks(), others: {}, nodes: [] } })
    await shown.lines()
    const before = { ...shown.screen.count }
    for (let tenth = 0; tenth < 40; tenth += 1) {
      shown.store.dispatch({ kind: 'events', events: eventsOf(tenth, shown.store.get().list.order.slice(0, 20)) })
      if (tenth % 10 === 9) shown.store.dispatch({ kind: 'tick', now: NOON + tenth * 100 })
      shown.pass(100)
      await shown.lines()
    }
    const { bytes, clears, writes } = shown.screen.count
    expect(clears - before.clears).toBe(0)
    const updates = writes - before.writes
    expect(updates).toBeGreaterThan(20)
    expect(updates).toBeLessThanOrEqual(41)
    expect((bytes - before.bytes) / updates).toBeLessThan(1_000)
  }, 120_000)

  it('writes nothing at all while nothing changes', async () => {
    shown = show({ columns: 120, rows: 40 })
    shown.store.dispatch({
      kind: 'snapshot',
      snapshot: { seq: 0, tasks: busyTasks().slice(0, 10), others: {}, nodes: [] },
    })
    await shown.lines()
    const { bytes } = shown.screen.count
    shown.pass(5_000)
    await shown.lines()
    expect(shown.screen.count.bytes).toBe(bytes)
  })
})

it('draws a smaller and a larger window whole, with one clearing each', async () => {
  shown = show({ columns: 100, rows: 30 })
  shown.store.dispatch({
    kind: 'snapshot',
    snapshot: { seq: 0, tasks: busyTasks().slice(0, 100), others: {}, nodes: [] },
  })
  await shown.lines()
  for (const size of [
    { columns: 60, rows: 12 },
    { columns: 130, rows: 44 },
  ]) {
    const { clears } = shown.screen.count
    const lines = await shown.resize(size)
    expect(lines).toHaveLength(size.rows)
    expect(lines[0]).toContain('[1 tasks]')
    expect(lines.at(-2)).toContain('q quit')
    expect(shown.screen.count.clears - clears).toBe(1)
  }
})

it('leaves the shell as it was', async () => {
  shown = show({ columns: 80, rows: 24 })
  await shown.lines()
  expect([shown.screen.isAlternate, shown.screen.hasCursor]).toEqual([true, false])
  shown.close()
  expect([shown.screen.isAlternate, shown.screen.hasCursor]).toEqual([false, true])
  expect(shown.screen.lines().join('')).toBe('')
})
