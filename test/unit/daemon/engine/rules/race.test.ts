/** Who wins a race: by the pick's word, then by what a member changed, then by its place. */
import { describe, expect, it } from 'vitest'
import { isIn, isPushedByRace, scoreIn, scoreOf, winnerOf } from '../../../../../daemon/engine/rules/race.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'

const PICK = './score.sh'
const result = (insertions: number, deletions = 0): Task['result'] => ({
  ...{ branch: 'tdf/x', commit: '2'.repeat(40), ahead: 1, filesChanged: 1, insertions, deletions },
  ...{ summary: null, salvaged: false, check: null },
})

/** A member that is over, with the score that its pick gave it; null: its pick let it not pass. */
function member(
  id: string,
  score: number | null,
  change: Partial<Task> = {},
  race: Partial<Task['spec']['race']> = {},
) {
  const exitCode = score === null ? 1 : 0
  const pick = { sessionId: 'p', exitCode, ended: true, ...(score === null ? {} : { score }) }
  return aTask({
    ...{ id, status: 'completed', verdict: 'verified', step: 'cleanup', result: result(10), facts: { pick } },
    spec: aSpec({ race: { pick: PICK, first: false, ...race } }),
    ...change,
  })
}
const running = (id: string) => member(id, null, { status: 'in_progress', step: 'running', verdict: null, facts: {} })
const win = (members: Task[], ended = members.at(-1) as Task) => winnerOf(members, ended)?.id

describe('the score of a pick', () => {
  it.each([
    ['5\n', 5],
    ['12 tests\n-0.25\n\n', -0.25],
    ['.5', 0.5],
    ['+1e3', 1_000],
    ['looks good', 0],
    ['', 0],
    ['5 of 6', 0],
    ['0x10', 0],
    ['1e999', 0],
    ['NaN', 0],
    ['7\r\n', 7],
  ])('is the number in its last line: %j', (output, score) => {
    expect(scoreIn(output)).toBe(score)
  })

  it('is none before it has ended, and none where it ended badly', () => {
    expect(scoreOf(aTask())).toBeNull()
    expect(scoreOf({ facts: { pick: { sessionId: 'p', exitCode: 0, ended: false } } })).toBeNull()
    expect(scoreOf(member('a', null))).toBeNull()
    expect(scoreOf({ facts: { pick: { sessionId: 'p', exitCode: 0, ended: true } } })).toBe(0)
  })
})

describe('a race', () => {
  it('is open until all members are over', () => {
    expect(win([member('a', 5), running('b')], member('a', 5))).toBeUndefined()
    expect(win([member('a', 5), { ...member('b', 9), step: 'salvage' }])).toBeUndefined()
  })

  it('is won by the highest score', () => {
    expect(win([member('a', 1), member('b', 5), member('c', null)])).toBe('b')
    expect(win([member('a', -2), member('b', -1)])).toBe('b')
  })

  it('has no winner where none is in', () => {
    const failed = member('b', 9, { status: 'failed', verdict: 'check_failed' })
    expect(winnerOf([member('a', null), failed], failed)).toBeNull()
    expect(isIn(failed)).toBe(false)
  })

  it('is won by the smaller change where scores are equal, and by the earlier member where those are, too', () => {
    expect(win([member('a', 1, { result: result(10, 5) }), member('b', 1, { result: result(14) })])).toBe('b')
    expect(win([member('a', 1), member('b', 1)])).toBe('a')
    expect(win([member('a', 1, { result: null }), member('b', 1)])).toBe('a')
  })

  it('is rather won by a change than by none', () => {
    const none = { verdict: 'no_change' as const, result: result(0) }
    expect(win([member('a', 1, none), member('b', 1)])).toBe('b')
    expect(win([member('a', 1), member('b', 1, none)])).toBe('a')
    expect(win([member('a', 2, none), member('b', 1)])).toBe('a')
    expect(win([member('a', 0, none), member('b', 0, none)])).toBe('a')
  })

  it('needs no pick', () => {
    const alone = (id: string, lines: number) => member(id, null, { facts: {}, result: result(lines) }, { pick: null })
    expect(win([alone('a', 9), alone('b', 3)])).toBe('b')
  })

  it('that the first one wins is decided while others run, unless that one changed nothing', () => {
    const first = { first: true }
    expect(win([running('a'), member('b', 0, {}, first)])).toBe('b')
    expect(win([running('a'), member('b', null, {}, first)])).toBeUndefined()
    const none = member('b', 0, { verdict: 'no_change' }, first)
    expect(win([running('a'), none])).toBeUndefined()
    expect(win([member('a', null, {}, first), none])).toBe('b')
  })
})

describe('the push of a member', () => {
  it('waits for the race, but for one that its user asked for', () => {
    const from = { ref: 'r', commit: 'c', baseCommit: 'b', salvaged: false, resumeRef: null }
    const continued = (change: Partial<Task['spec']>) => ({ of: 1, from, hash: '', change })
    expect(isPushedByRace(aTask())).toBe(false)
    expect(isPushedByRace(member('a', 1))).toBe(true)
    expect(isPushedByRace(member('a', 1, { continued: continued({ prompt: 'x' }) }))).toBe(true)
    const push = { remote: 'https://example.org/x.git', pr: false }
    expect(isPushedByRace(member('a', 1, { continued: continued({ push }) }))).toBe(false)
  })
})
