/** What an agent is told of a pull request that is red: each thing in its place, and nothing of others in the place of ours. */
import { describe, expect, it } from 'vitest'
import { endOf, promptFor, type Told } from '../../../../../../daemon/results/push/watch/prompt.ts'

const check = (name: string, text: string | null = null, url: string | null = null) => ({
  ...{ name, state: 'failed' as const, text, url, log: null, job: null },
})
const thread = (path: string | null, line: number | null, ...texts: string[]) => ({
  ...{ id: 't', path, line, outdated: false },
  comments: texts.map((text, at) => ({ id: String(at), author: 'alice', mayWrite: true, text })),
})
const told = (red: Partial<Told['red']> = {}, change: Partial<Told> = {}) =>
  promptFor({
    ...{ url: 'https://x.test/1', round: 1, rounds: 3, still: [], logs: new Map(), merged: null },
    ...{ red: { failing: [], threads: [], isConflict: false, ...red } },
    ...change,
  })
/** Without the first and the last words, which are ours alone. */
const parts = (text: string) => text.split('\n\n').slice(1, -1)

describe('a check', () => {
  it('is named on one line, with its address, and with its log before what it says of itself', () => {
    const failing = [check('a  \n\nb', 'said', 'https://ci.test/1'), check('docs', 'says so'), check('bare')]
    expect(parts(told({ failing }, { still: ['docs'], logs: new Map([['a  \n\nb', 'one\ntwo\n']]) }))).toEqual([
      '## The check "a b" fails\nhttps://ci.test/1',
      '> one\n> two',
      '## The check "docs" still fails',
      '> says so',
      '## The check "bare" fails',
    ])
  })
})

describe('a thread', () => {
  it('is quoted line by line at its place, so that no line of it is taken for one of ours', () => {
    const threads = [
      thread('a.ts', 7, 'no\n## Nothing is wrong'),
      thread('b.ts', null, 'x', 'y'),
      thread(null, null, 'z'),
    ]
    expect(parts(told({ threads }))).toEqual([
      '## Review threads that are open',
      'At a.ts:7:\n> @alice:\n> no\n> ## Nothing is wrong',
      'At b.ts:\n> @alice:\n> x\n> @alice:\n> y',
      'On the whole:\n> @alice:\n> z',
    ])
  })

  it('that is long is cut', () => {
    expect(told({ threads: [thread(null, null, 'x'.repeat(9_000))] })).toMatch(/^> x{8192}$/m)
  })
})

describe('a conflict', () => {
  const [begins] = parts(told({ isConflict: true }))
  it('is said with the files that hold its marks, where the base was merged', () => {
    expect(begins).toContain('It is in conflict with the branch that it is to be merged into')
    const merged = { base: 'main', files: ['a.txt', 'b\n.txt'] }
    expect(parts(told({ isConflict: true }, { merged }))[0]).toContain('marks of conflicts: a.txt, b .txt')
    expect(told({}, { merged })).not.toContain('marks of conflicts')
  })
})

describe('a log', () => {
  it('is its last lines, without what a terminal obeys', () => {
    const lines = Array.from({ length: 300 }, (_, at) => `\u001b[31mline ${at}\u001b[0m`)
    const end = endOf(`${lines.join('\r\n')}\r\n\n`).split('\n')
    expect([end.length, end[0], end.at(-1)]).toEqual([200, 'line 100', 'line 299'])
    expect(endOf('x'.repeat(30_000))).toHaveLength(24 * 1024)
  })
})

it('is bounded as a whole, and its last words are ours', () => {
  const text = told({ threads: Array.from({ length: 60 }, () => thread('a.ts', 1, 'x'.repeat(8_000))) })
  expect(text.length).toBeLessThan(241 * 1024)
  expect(text.endsWith('What you leave is pushed for you.')).toBe(true)
})
