/** Attempts in words, and beside which ones an earlier one is named. */
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { attemptLines, earlierText } from '../../../../src/text/attempts.ts'

type Attempt = TaskJson['attempts'][number]
const tried = (attempt: number, verdict: Attempt['verdict'], change: Partial<Attempt> = {}): Attempt => ({
  ...{ attempt, verdict, status: 'failed', prompt: `words ${attempt}\nand more`, agent: 'claude' },
  ...{ commit: null, branch: null, check: null, usage: null, startedAt: null, completedAt: null },
  ...change,
})
const task = (status: TaskJson['status'], ...verdicts: Attempt['verdict'][]) => ({
  ...{ id: '7kq2', status, attempt: verdicts.length },
  attempts: verdicts.map((verdict, index) => tried(index + 1, verdict)),
})

describe('an earlier attempt', () => {
  it.each([
    ['that was verified', task('failed', 'verified', 'agent_error'), 'attempt 1 was verified: tdf pull 7kq2@1'],
    ['the newest of them', task('cancelled', 'verified', 'verified', 'cancelled'), 'attempt 2 was verified'],
    ['verified before unverified', task('failed', 'verified', 'unverified', 'timeout'), 'attempt 1 was verified'],
    ['unverified where none is', task('failed', 'unverified', 'timeout'), 'attempt 1 was unverified: tdf pull 7kq2@1'],
  ])('is named: %s', (_, given, text) => {
    expect(earlierText(given)).toContain(text)
  })

  it.each([
    ['beside one that completed', task('completed', 'verified', 'verified')],
    ['while the next one runs', task('in_progress', 'verified', null)],
    ['that made nothing', task('failed', 'no_change', 'agent_error')],
    ['that comes later', { ...task('failed', 'timeout', 'verified'), attempt: 1 }],
  ])('is not named: %s', (_, given) => {
    expect(earlierText(given)).toBeNull()
  })
})

it('attempts are a line each, once there are two', () => {
  const check = { command: 'npm test', exitCode: 0, base: null }
  const usage = { inputTokens: 1, outputTokens: 1, costUsd: 0.4 }
  const first = tried(1, 'verified', { commit: 'a'.repeat(40), check, usage })
  const second = tried(2, null, { status: 'in_progress', check: { ...check, exitCode: null } })
  expect(attemptLines({ attempts: [first] })).toBeNull()
  expect(attemptLines({ attempts: [first, second] })?.split('\n')).toEqual([
    '1 verified  aaaaaaaaaaaa  npm test (exit 0)  $0.40  words 1',
    '2 in_progress  npm test (exit none)  words 2',
  ])
})

it('a daemon that is older names none, and nothing is said of them', () => {
  const { attempts: _attempts, ...older } = task('failed', 'verified', 'agent_error')
  expect([attemptLines(older as never), earlierText(older as never)]).toEqual([null, null])
})
