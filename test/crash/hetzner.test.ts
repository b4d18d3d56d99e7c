/** Every answer of Hetzner's API to every call of a node's journey, with the power cut before and after that call. */
import { expect, it } from 'vitest'
import { CALLS, STRIKES } from '../support/hetzner-faults.ts'
import { expectGoodEnd, hetznerJourney, LONG_ENOUGH } from '../support/hetzner-journey.ts'

const cases = Object.keys(CALLS).flatMap(call => Object.keys(STRIKES).map(name => [call, name] as const))

it.each(cases)(
  '%s answered by %s',
  async (call, name) => {
    const on = CALLS[call] ?? /./
    const strike = STRIKES[name]
    if (!strike) throw new Error(`no strike ${name}`)
    for (const when of [undefined, 'before', 'after'] as const) {
      const end = await hetznerJourney([{ on, strike, times: 2 }], when && { when, nth: 1, of: on }, LONG_ENOUGH[call])
      expectGoodEnd(end, `power cut ${when} ${call}`)
      // The call was really made, and the power cut there.
      expect([end.requests.some(request => on.test(request)), end.wasCut]).toEqual([true, when !== undefined])
    }
  },
  120_000,
)

it('a power cut before and after every effect of the journey', async () => {
  for (const when of ['before', 'after'] as const) {
    let cuts = 0
    for (let nth = 1; ; nth++) {
      const end = await hetznerJourney([], { when, nth })
      expectGoodEnd(end, `power cut ${when} effect ${nth}`)
      if (!end.wasCut) break
      cuts += 1
    }
    expect(cuts).toBeGreaterThan(30)
  }
}, 600_000)
