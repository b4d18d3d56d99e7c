/** Every answer of Hetzner's API to every call of a node's journey, with the power cut before and after that call. */
import { expect, it } from 'vitest'
import { CALLS, STRIKES } from '../../support/machines/hetzner-faults.ts'
import { expectGoodEnd, hetznerJourney, LONG_ENOUGH } from '../../support/machines/hetzner-journey.ts'

const CUTS = [undefined, 'before', 'after'] as const

/** Calls that cost money or end it meet every cut; the others each answer with one cut, in turn. */
const COSTLY = ['POST /servers', 'DELETE /servers/:id']
const cutsFor = (call: string, index: number) => (COSTLY.includes(call) ? CUTS : [CUTS[index % CUTS.length]])

const cases = Object.entries(CALLS).flatMap(([call, on], row) =>
  Object.entries(STRIKES).map(([name, strike], index) => ({
    call,
    on,
    name,
    strike,
    cuts: cutsFor(call, row + index),
  })),
)

it.each(cases)(
  '$call answered by $name',
  async ({ call, on, strike, cuts }) => {
    for (const when of cuts) {
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
