import { expect, it } from 'vitest'
import { lastPaidMoment } from '../../../../daemon/nodes/rules/serving.ts'

const MIN = 60_000
const born = Date.UTC(2026, 0, 1, 9, 17)

it.each([
  ['in the first hour', 20, 55],
  ['at the very beginning of an hour', 61, 115],
  ['when only the margin is left, as planned', 57, 57],
  ['exactly at the end of an hour, as planned', 60, 60],
  ['in the third hour', 130, 175],
])('a machine that would go %s stays to the end of what is paid', (_, minutes, until) => {
  expect((lastPaidMoment(born, born + minutes * MIN) - born) / MIN).toBe(until)
})
