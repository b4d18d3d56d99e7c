import { describe, expect, it } from 'vitest'
import { byUrgency } from '../../../../src/text/urgency.ts'

const NOW = Date.UTC(2026, 10, 24, 18)
const HOUR = 3_600_000
const at = (hoursAgo: number) => new Date(NOW - hoursAgo * HOUR).toISOString()

function task(id: string, status: string, change: Partial<Parameters<typeof byUrgency>[0][number]> = {}) {
  return { id, status, step: null, priority: 0, createdAt: at(2), completedAt: null, ...change } as const
}

const TASKS = [
  task('done', 'completed', { completedAt: at(0.1) }),
  task('done-before', 'completed', { completedAt: at(1) }),
  task('failed-last-week', 'failed', { createdAt: at(200), completedAt: at(180) }),
  task('cancelled', 'cancelled', { completedAt: at(0.5) }),
  task('next', 'queued', { priority: 5 }),
  task('queued', 'queued', { createdAt: at(3) }),
  task('queued-later', 'queued', { createdAt: at(1) }),
  task('parked', 'parked'),
  task('failed', 'failed', { completedAt: at(1) }),
  task('starting', 'delegated', { createdAt: at(5) }),
  task('running', 'in_progress', { step: 'running' }),
  task('needs-you', 'in_progress', { step: 'awaiting_followup', createdAt: at(100) }),
] as Parameters<typeof byUrgency>[0]

describe('a list for people', () => {
  it('begins with what needs them, then what runs, failed lately, waits and is done', () => {
    const ids = byUrgency(TASKS, NOW).map(({ id }) => id)
    expect(ids).toEqual([
      ...['needs-you', 'running', 'starting', 'failed', 'parked', 'next', 'queued', 'queued-later'],
      ...['done', 'cancelled', 'done-before', 'failed-last-week'],
    ])
  })

  it('is the same whatever the order was before', () => {
    expect(byUrgency([...TASKS].reverse(), NOW)).toEqual(byUrgency(TASKS, NOW))
  })
})
