/** The log that an open task shows: read on, read from its end, and with the times of its lines. */
import { describe, expect, it } from 'vitest'
import { logReader } from '../../../../src/tui/data/log-reader.ts'
import type { Parts } from '../../../../src/tui/data/remote.ts'

const AT = Date.UTC(2026, 0, 5, 12)
const runs = { status: 'in_progress', session: { id: 's1' } } as Parameters<ReturnType<typeof logReader>['read']>[0]
const over = { ...runs, status: 'completed' } as typeof runs

/** A daemon with a log that grows; it hands out at most so many bytes at once. */
function scene(piece = 64 * 1024) {
  let log = Buffer.alloc(0)
  let marks = ''
  let shown = ''
  const raw = async ({ path }: { path: string }) => {
    if (path.includes('/log-times')) return { body: Buffer.from(marks) }
    const after = Number(/after=(\d+)/.exec(path)?.[1])
    return { body: log.subarray(after, after + piece) }
  }
  const dispatch = ({ text, isAnew }: { text: string; isAnew: boolean }) => {
    shown = isAnew ? text : shown + text
  }
  const parts = { store: { dispatch }, remote: { raw }, signal: new AbortController().signal } as unknown as Parts
  const reader = logReader(parts, 'k7f3q2x9ab', 'log')
  return {
    reader,
    write(text: string, secondsLater: number | null) {
      if (secondsLater !== null) marks += `${AT + secondsLater * 1_000} ${log.length}\n`
      log = Buffer.concat([log, Buffer.from(text)])
    },
    lie(text: string) {
      marks = text
    },
    async shows(task: typeof runs, hasTimes: boolean) {
      await reader.read(task, hasTimes)
      return shown
    },
  }
}

describe('the log of an open task', () => {
  it('has the times before its lines once they are asked for, and loses them again', async () => {
    const { write, shows, reader } = scene()
    write('one\ntwo\n', 0)
    expect(await shows(runs, false)).toBe('one\ntwo\n')
    expect([reader.isRead(false), reader.isRead(true)]).toEqual([true, false])
    write('three\nfo', 61)
    expect(await shows(runs, true)).toBe('12:00:00  one\n12:00:00  two\n12:01:01  three\n')
    write('ur\n', 90)
    expect(await shows(runs, true)).toContain('12:01:01  three\n12:01:01  four\n')
    expect(await shows(runs, false)).toBe('one\ntwo\nthree\nfour\n')
  })

  it('shows a last line without an end once it is over, and no twice', async () => {
    const { write, shows } = scene()
    write('one\nlast', 0)
    expect(await shows(runs, true)).toBe('12:00:00  one\n')
    expect(await shows(over, true)).toBe('12:00:00  one\n12:00:00  last')
    expect(await shows(over, true)).toBe('12:00:00  one\n12:00:00  last')
  })

  it.each([['soon 0\n'], [''], ['9000000000000000 0\n']])(
    'stands without times where they cannot be read: %j',
    async marks => {
      const { write, lie, shows } = scene()
      write('one\ntwo\n', 0)
      lie(marks)
      expect(await shows(runs, true)).toBe('          one\n          two\n')
    },
  )

  it.each([false, true])('begins with a whole line where it is too long, with times: %s', async hasTimes => {
    const { write, shows } = scene()
    write('an early line\n'.repeat(100_000), 0)
    write('a late line\n'.repeat(50_000), 3_600)
    const lines = (await shows(runs, hasTimes)).trimEnd().split('\n')
    const [early, late] = hasTimes
      ? ['12:00:00  an early line', '13:00:00  a late line']
      : ['an early line', 'a late line']
    expect([lines[0], lines.at(-1), new Set(lines).size]).toEqual([early, late, 2])
    expect(lines.filter(line => line === late)).toHaveLength(50_000)
  })
})
