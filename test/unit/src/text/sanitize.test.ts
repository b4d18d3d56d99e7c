import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleaner, sanitize, sanitizeColoured } from '../../../../src/text/sanitize.ts'

const withoutColours = (shown: string) => shown.replace(new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g'), '')
/** Controls, without newline and tab. */
const obeyed = (shown: string) =>
  [...shown].filter(char => (char < ' ' && char !== '\n' && char !== '\t') || (char >= '\x7f' && char <= '\x9f'))

/** Pieces of what a terminal obeys, and of text. */
const piece = fc.constantFrom(
  ...['\x1b', '\x1b[', '\x1b]', '\x9b', '\x9d', '\x07', '\x1b\\', ';', '?', '8', '31', '38;5;8', 'm', 'A', 'J', 'h'],
  ...['\n', '\r', '\b', '\u202e', 'text', ' ', '\x1b[31m', '\x1b[0m', '\x1b]0;t\x07', '\x1bP', '\x90'],
)
const text = fc.array(piece, { maxLength: 30 }).map(pieces => pieces.join(''))

describe('text with its colours', () => {
  it('has colours and nothing else that a terminal obeys', () => {
    fc.assert(
      fc.property(text, given => {
        const clean = sanitizeColoured(given)
        const bare = withoutColours(clean)
        expect(bare).toBe(sanitize(bare))
        expect(obeyed(bare)).toEqual([])
      }),
    )
  })

  it.each([
    ['a colour stays', '\x1b[1;31mred\x1b[m', '\x1b[1;31mred\x1b[m'],
    ['what hides text goes', '\x1b[8mx\x1b[31;8;1my', 'x\x1b[31;1my'],
    ['a colour by number keeps its number', '\x1b[38;5;8mx\x1b[48;2;8;8;8my', '\x1b[38;5;8mx\x1b[48;2;8;8;8my'],
    ['a cut one stays short', '\x1b[38mx\x1b[38;5my', '\x1b[38mx\x1b[38;5my'],
    ['a cursor, a title and a mode go', 'a\x1b[2Ab\x1b]0;t\x07c\x1b[?25ld', 'abcd'],
    ['of a line that was written over the last stays', '10 %\r\x1b[32m20 %\x1b[0m\r\n', '\x1b[32m20 %\x1b[0m\n'],
  ])('%s', (_, given, expected) => {
    expect(sanitizeColoured(given)).toBe(expected)
  })
})

describe('text in pieces', () => {
  it('is as clean as in one, wherever it is cut', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 40 }), { maxLength: 5 }), (given, cuts) => {
        const { push, rest } = cleaner(sanitizeColoured)
        const at = [0, ...cuts.filter(cut => cut < given.length).sort((a, b) => a - b), given.length]
        const shown = at.slice(1).map((to, index) => push(given.slice(at[index], to)))
        expect(obeyed(withoutColours(shown.join('') + rest()))).toEqual([])
      }),
    )
  })

  it('comes without waiting for the end of its line, where it has nothing to clean', () => {
    const { push, rest } = cleaner(sanitize)
    expect([push('10 '), push('% \x1b[2'), push('Adone\nnext'), rest()]).toEqual(['10 ', '', '% done\nnext', ''])
  })

  it('holds back no more than a bounded part of a line', () => {
    const { push } = cleaner(sanitize)
    expect(push(`\x1b${'x'.repeat(100_000)}`).length).toBeGreaterThan(99_000)
  })
})
