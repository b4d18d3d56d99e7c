import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatDuration,
  formatDurationShort,
  formatSize,
  parseDuration,
  parseSize,
} from '../../../../src/core/duration.ts'

const wholeNumber = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

describe('a duration', () => {
  test.each([
    ['200ms', 200],
    ['30s', 30_000],
    ['15m', 900_000],
    ['168h', 604_800_000],
    ['2d', 172_800_000],
    ['1h30m', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['0s', 0],
    ['0.2s', 200],
    ['1.5h', 5_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each([
    '',
    '0',
    '30',
    '1.5',
    's',
    '-5s',
    '+5s',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    '5sec',
    '1m1h',
    '5s5s',
    '1e3s',
    '0.5ms',
    '.5s',
    '٣s',
    '5s\n',
  ])('%j is refused: it has no unit, or is not one', text => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test('that cannot be counted exactly is refused', () => {
    expect(parseDuration('999999999999999d')).toBeUndefined()
  })

  test('is read back as what was written, whatever its length', () => {
    fc.assert(fc.property(wholeNumber, ms => parseDuration(formatDuration(ms)) === ms))
  })

  test('never makes the parser throw or answer anything but a whole number', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,20}(ms|[dhms]){1,3}$/))
    fc.assert(
      fc.property(text, input => {
        const ms = parseDuration(input)
        return ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)
      }),
    )
  })

  test.each([
    [0, '0s'],
    [200, '0.2s'],
    [9_999, '9.9s'],
    [9_000, '9s'],
    [41_700, '41s'],
    [180_000, '3m'],
    [200_000, '3m20s'],
    [754_000, '12m'],
    [18_720_000, '5h12m'],
    [187_200_000, '2d4h'],
    [40 * 86_400_000, '40d'],
    [-5, '0s'],
  ])('of %d ms is shown to people as %s', (ms, text) => {
    expect(formatDurationShort(ms)).toBe(text)
  })

  test('shown to people is never longer than it is, and has at most seven characters within a year', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 365 * 86_400_000 }), ms => {
        const text = formatDurationShort(ms)
        const read = parseDuration(text)
        return read !== undefined && read <= ms && text.length <= 7
      }),
    )
  })
})

describe('a size', () => {
  test.each([
    ['256MiB', 268_435_456],
    ['1GiB', 1_073_741_824],
    ['500kB', 500_000],
    ['1.5GiB', 1_610_612_736],
    ['2TB', 2_000_000_000_000],
    ['12B', 12],
    ['0B', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  test.each(['', '10', '10MB/s', '10 MB', '10mb', '10KB', '10M', '-1B', '999999999999999TiB'])(
    '%j is refused',
    text => {
      expect(parseSize(text)).toBeUndefined()
    },
  )

  test('is read back as what was written, whatever its bytes', () => {
    fc.assert(fc.property(wholeNumber, bytes => parseSize(formatSize(bytes)) === bytes))
  })

  test.each([
    [268_435_456, '256MiB'],
    [500_000, '500kB'],
    [1_001, '1001B'],
    [0, '0B'],
  ])('of %d bytes is written as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })
})
