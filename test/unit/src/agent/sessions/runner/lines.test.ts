/** Lines of an agent, also those that no memory should hold: whatever is cut off, what is left is the same JSON. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lineSplitter } from '../../../../../../src/agent/sessions/runner/lines.ts'

function linesOf(bytes: Buffer, cuts: readonly number[], bytesMax: number): { text: (string | null)[]; bytes: Buffer } {
  const found: (string | null)[] = []
  const passed: Buffer[] = []
  let isInside = false
  const lines = lineSplitter((piece, text) => {
    passed.push(Buffer.from(piece))
    isInside = piece.at(-1) !== 10
    if (!isInside) found.push(text)
  }, bytesMax)
  const places = [0, ...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  for (const [at, from] of places.entries()) lines.push(bytes.subarray(from, places[at + 1] ?? bytes.length))
  lines.end()
  return { text: found, bytes: Buffer.concat(passed) }
}

/** What is left of a value when its strings are cut to `length` bytes, compared without what was cut. */
function isBeginning(short: unknown, whole: unknown): boolean {
  if (typeof short === 'string' && typeof whole === 'string') {
    // A character may be cut in its middle.
    return whole.startsWith(short.replace(/\uFFFD+$/, ''))
  }
  if (typeof short !== 'object' || short === null) return short === whole
  const [some, all] = [Object.entries(short), Object.entries(whole ?? {})]
  return (
    some.length === all.length &&
    some.every(([key, value], at) => key === all[at]?.[0] && isBeginning(value, all[at]?.[1]))
  )
}

const texts = fc.string({
  unit: fc.constantFrom('a', 'é', '😀', '"', '\\', '\u0001', '{', '}', '\u2028'),
  maxLength: 80,
})
const values = fc.dictionary(
  fc.constantFrom('a', 'b', 'c'),
  fc.oneof(texts, fc.integer(), fc.constant(null), fc.array(texts)),
)

it('gives every byte on and the JSON of every line, cut only within its long strings', () => {
  fc.assert(
    fc.property(fc.array(values, { maxLength: 4 }), fc.array(fc.nat(2_000), { maxLength: 8 }), (objects, cuts) => {
      const bytes = Buffer.from(objects.map(value => `${JSON.stringify(value)}\n`).join(''))
      const given = linesOf(bytes, cuts, 40)
      expect(given.bytes.equals(bytes)).toBe(true)
      expect(given.text).toHaveLength(objects.length)
      for (const [at, text] of given.text.entries()) {
        if (text !== null) expect(isBeginning(JSON.parse(text), objects[at])).toBe(true)
      }
    }),
  )
})

it('keeps the end of a line whose one string is too long', () => {
  const line = JSON.stringify({ type: 'result', result: '\\"é'.repeat(1_000), is_error: true })
  const { text } = linesOf(Buffer.from(line), [], 1_000)
  expect(JSON.parse(text[0] ?? '')).toMatchObject({ type: 'result', is_error: true })
})

it('keeps what is left of a line up to its bound, and no byte more', () => {
  const line = (digits: number) => `{"a":${'1'.repeat(digits)},"b":"${'x'.repeat(50)}"}\n`
  const textOf = (digits: number) => linesOf(Buffer.from(line(digits)), [60], 40).text
  expect(textOf(16)).toEqual([`{"a":${'1'.repeat(16)},"b":"${'x'.repeat(10)}"}`])
  expect(textOf(17)).toEqual([null])
})

it('gives a last line without a newline its end, and an empty end none', () => {
  expect(linesOf(Buffer.from('a\nb'), [], 40)).toEqual({ text: ['a', 'b'], bytes: Buffer.from('a\nb\n') })
  expect(linesOf(Buffer.from('a\n'), [], 40)).toEqual({ text: ['a'], bytes: Buffer.from('a\n') })
})
