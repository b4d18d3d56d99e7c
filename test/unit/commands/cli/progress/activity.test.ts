/** The line that says what a command does while it takes a while: when it comes, where, and that it goes again. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Cli, Format } from '../../../../../commands/cli/cli.ts'
import { activityOf } from '../../../../../commands/cli/progress/activity.ts'
import { amountText } from '../../../../../src/text/progress/how-far.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function scene({ isTTY = true, format = 'table', env = {} }: { isTTY?: boolean; format?: Format; env?: object } = {}) {
  const written: string[] = []
  const stderr = { isTTY, columns: 80, write: (text: string) => written.push(text) }
  const activity = activityOf({ stderr, env } as unknown as Cli, format)
  return { activity, written }
}

describe('what is at work shows', () => {
  it('nothing when it is done at once', () => {
    const { activity, written } = scene()
    activity.show('packing')
    vi.advanceTimersByTime(300)
    activity.end()
    vi.advanceTimersByTime(60_000)
    expect(written).toEqual([])
  })

  it('on a terminal one line within a second, which is written over and taken away', () => {
    const { activity, written } = scene()
    activity.show('packing 1 %')
    vi.advanceTimersByTime(1_000)
    expect(written).toEqual(['\r\x1b[Jpacking 1 %'])
    activity.show('packing 2 %')
    activity.show('packing 3 %')
    vi.advanceTimersByTime(100)
    expect(written.slice(1)).toEqual(['\r\x1b[Jpacking 3 %'])
    activity.say('note: it stays')
    expect(written.at(-1)).toBe('\r\x1b[Jnote: it stays\npacking 3 %')
    activity.end()
    expect(written.at(-1)).toBe('\r\x1b[J')
  })

  it.each([{ isTTY: false }, { env: { TERM: 'dumb' } }])(
    'in a pipe a line within a second and now and then: %o',
    how => {
      const { activity, written } = scene(how)
      activity.show('uploading 1 %')
      vi.advanceTimersByTime(1_000)
      expect(written).toEqual(['uploading 1 %\n'])
      for (let percent = 2; percent < 100; percent += 1) {
        activity.show(`uploading ${percent} %`)
        vi.advanceTimersByTime(100)
      }
      expect(written.length).toBeLessThanOrEqual(3)
      activity.end()
      vi.advanceTimersByTime(60_000)
      expect(written.length).toBeLessThanOrEqual(3)
    },
  )

  it.each<Format>(['json', 'ndjson', 'id'])('nothing where a program reads: %s', format => {
    const { activity, written } = scene({ format })
    activity.show('packing')
    vi.advanceTimersByTime(60_000)
    activity.end()
    expect(written).toEqual([])
  })
})

it.each([
  [61_300_000, 130_000_000, '61 of 130 MB (47 %)'],
  [1_250_000, 2_500_000, '1.3 of 2.5 MB (50 %)'],
  [0, 0, '0 of 0 B (100 %)'],
  [999, 1_000, '1.0 of 1.0 kB (99 %)'],
  [61_300_000, null, '61 MB'],
])('%d of %s bytes are %s', (done, total, text) => expect(amountText(done, total)).toBe(text))
