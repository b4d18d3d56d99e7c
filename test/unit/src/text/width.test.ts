/** Columns in a terminal, with and without what has to be looked up for them. */
import { expect, it } from 'vitest'
import { widthOf } from '../../../../src/text/width.ts'

it.each([
  ['', 0],
  ['plain text ~', 12],
  ['grün', 4],
  ['日本語', 6],
  ['a👩‍👩‍👧b', 4],
  ['e\u0301', 1],
])('of %j is %i', (text, width) => {
  expect(widthOf(text)).toBe(width)
})
