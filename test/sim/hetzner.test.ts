/**
 * A whole journey over Hetzner's API as a model: whatever it answers and wherever the power fails, each node that was
 * ordered is one server, and none is left. Here the calls that cost money; `npm run test:crash` has all of them.
 */
import { expect, it } from 'vitest'
import { CALLS, STRIKES } from '../support/machines/hetzner-faults.ts'
import { expectGoodEnd, hetznerJourney } from '../support/machines/hetzner-journey.ts'

it('a task on a machine that was ordered for it costs a dozen requests and a few, and leaves nothing', async () => {
  const end = await hetznerJourney([])
  expectGoodEnd(end)
  expect(end.made).toEqual([1])
  expect(end.requests.length).toBeLessThanOrEqual(16)
})

const costly = ['POST /servers', 'DELETE /servers/:id'] as const
const cuts = [undefined, 'before', 'after'] as const
const cases = costly.flatMap((call, row) =>
  Object.entries(STRIKES).map(([name, strike], index) => ({ call, name, strike, when: cuts[(index + row) % 3] })),
)

it.each(cases)('$call answered by $name, power cut: $when', async ({ call, strike, when }) => {
  const on = CALLS[call] ?? /./
  const cut = when && { when, nth: 1, of: on }
  expectGoodEnd(await hetznerJourney([{ on, strike, times: 2 }], cut))
})
