/** What agents are answered: it fits, and the words of tasks in it are data, whatever they are. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, json, lastLines, linesFrom } from '../../../../../commands/tasks/mcp/answers.ts'
import { TdfError } from '../../../../../src/core/errors.ts'

const bytesOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
const NASTY = fc.string({
  unit: fc.constantFrom('a', ' ', '\n', '\r', '"', '\\', '字', '😀', '\x1b[2J', '\x1b]0;x\x07', '\u202e', '\0'),
})
const MARKED = /^(?:\| [^\n]*\n)*$/
const HARMFUL = /[\p{Cc}\p{Bidi_C}]/u
const harmless = (text: string) => !HARMFUL.test(text.replaceAll(/[\n\t]/g, ''))

describe('a value', () => {
  it('fits into an answer, parses, and controls no terminal', () => {
    const row = fc.record({ id: fc.string({ maxLength: 10 }), title: NASTY, waitingFor: fc.option(NASTY) })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), fc.integer({ min: 1, max: 400 }), (rows, times) => {
        const long = rows.map(one => ({ ...one, title: one.title.repeat(times) }))
        const [text = '', ...more] = json({ tasks: long, next: null })
        expect(more).toEqual([])
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(8_000)
        expect(JSON.parse(text).tasks).toHaveLength(rows.length)
        expect([text.includes('\n'), harmless(text), harmless(JSON.stringify(JSON.parse(text)))]).toEqual([
          false,
          true,
          true,
        ])
      }),
    )
  })

  it('is left whole where it fits', () => {
    expect(json({ text: 'x'.repeat(1_900), list: [1, true, null] })).toEqual([
      `{"text":"${'x'.repeat(1_900)}","list":[1,true,null]}`,
    ])
  })
})

describe('a piece of text', () => {
  it('is given in whole lines, each with its mark, and goes on where it ended', () => {
    fc.assert(
      fc.property(fc.array(NASTY, { maxLength: 300 }), fc.integer({ min: 1, max: 60 }), (lines, times) => {
        const piece = Buffer.from(lines.map(line => line.repeat(times)).join('\n'))
        let at = 0
        while (at < piece.length) {
          const { lines: shown, from, to } = linesFrom(piece.subarray(at), { isStream: false })
          expect(shown).toMatch(MARKED)
          expect([from, harmless(shown), bytesOf([shown]) <= 6_500]).toEqual([0, true, true])
          expect(to).toBeGreaterThan(0)
          expect(at + to === piece.length || piece[at + to - 1] === 10).toBe(true)
          at += to
        }
      }),
      { numRuns: 50 },
    )
  })

  it('ends with its last lines, and leaves out the half line that it begins with', () => {
    const piece = Buffer.from(`half of a line\n${'one of many\n'.repeat(2_000)}the end`)
    const { lines, from, to } = lastLines(piece, { isWithin: true })
    expect(lines).toMatch(/^(?:\| one of many\n)+\| the end\n$/)
    expect([to, piece.toString('utf8', from, from + 11)]).toEqual([piece.length, 'one of many'])
    expect(lastLines(Buffer.from('half\nwhole'), { isWithin: true }).lines).toBe('| whole\n')
    expect(lastLines(Buffer.from('all\nof it'), { isWithin: false }).lines).toBe('| all\n| of it\n')
  })

  it('shows a stream of an agent as people read it', () => {
    const said = { type: 'assistant', message: { content: [{ type: 'text', text: 'I am done\nwith it' }] } }
    const piece = Buffer.from(`${JSON.stringify(said)}\nplain\n`)
    expect(linesFrom(piece, { isStream: true })).toEqual({
      lines: '| I am done\n| with it\n| plain\n',
      from: 0,
      to: piece.length,
    })
  })

  it('is cut where one line alone is too long', () => {
    const { lines, to } = linesFrom(Buffer.from(`${'字'.repeat(100_000)}\nnext`), { isStream: false })
    expect([bytesOf([lines]) <= 6_500, lines.startsWith('| 字'), /…\n\| next\n$/.test(lines), to]).toEqual([
      true,
      true,
      true,
      300_005,
    ])
  })
})

it('a failure says what, the hint and the code, and is cut as well', () => {
  expect(failure(new TdfError('NOT_FOUND', 'there is no task "\x1b[2Jx"', { hint: 'tdf ls' }))).toEqual([
    'error: there is no task "x"\n  hint: tdf ls\n  code: NOT_FOUND\n',
  ])
  expect(bytesOf(failure(new Error('字'.repeat(9_000))))).toBeLessThan(8_000)
})
