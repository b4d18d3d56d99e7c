/**
 * What to order and where, in order of preference: the same size elsewhere, then a larger size, each only where the
 * user did not say otherwise. What was refused is not tried for a while, by all nodes together.
 */
import { TdfError } from '../../core/errors.ts'
import type { Clock } from '../../platform/world.ts'
import type { MayVary } from '../provider.ts'

export interface Offer {
  size: string
  /** Hetzner's name for it, such as cx23. */
  type: string
  location: string
}

export interface Offers {
  /** What may be tried now, best first. Throws why nothing may, with the time at which that changes. */
  open(node: { size: string | null; location: string | null }, mayVary: MayVary): Offer[]
  /** Right before it is tried. False when another node has just begun to find out whether it is to be had again. */
  take(offer: Offer): boolean
  refused(offer: Offer, error: TdfError): void
  worked(offer: Offer): void
}

const PAUSE_MS = 60_000
/** As long as one try may take. */
const TRYING_MS = 30_000
const PAUSE_MS_MAX = 15 * 60_000

export function createOffers(
  clock: Clock,
  { sizes, locations }: { sizes: Readonly<Record<string, string>>; locations: readonly string[] },
): Offers {
  const pauses = new Map<string, { until: number; ms: number; error: TdfError }>()
  const keyOf = ({ type, location }: Offer) => `${type}/${location}`

  function all(node: { size: string | null; location: string | null }, mayVary: MayVary): Offer[] {
    const names = Object.keys(sizes)
    const first = node.size ?? names[0] ?? ''
    // The table is written from small to large, and a task may run on a larger machine than it asked for.
    const larger = names.slice(names.indexOf(first) + 1)
    const home = node.location ?? locations[0] ?? ''
    const elsewhere = locations.filter(location => location !== home)
    return [first, ...(mayVary.size ? larger : [])].flatMap(size => {
      const type = sizes[size]
      if (type === undefined) return []
      return [home, ...(mayVary.location ? elsewhere : [])].map(location => ({ size, type, location }))
    })
  }

  return {
    open(node, mayVary) {
      const now = clock.mono()
      const offers = all(node, mayVary)
      const open = offers.filter(offer => (pauses.get(keyOf(offer))?.until ?? 0) <= now)
      if (open.length > 0) return open
      const paused = offers.flatMap(offer => pauses.get(keyOf(offer)) ?? [])
      if (paused.length === 0) {
        throw new TdfError('PROVIDER_REFUSED', `size ${node.size} is not in [providers.hetzner] sizes any more`)
      }
      const reasons = [...new Set(paused.map(({ error }) => error.message))].join('; ')
      const code = paused.some(({ error }) => error.code === 'CAPACITY') ? 'CAPACITY' : 'PROVIDER_REFUSED'
      throw new TdfError(code, `no machine to be had as ${offers.map(keyOf).join(', ')}: ${reasons}`, {
        retryAfterMs: Math.min(...paused.map(({ until }) => until)) - now,
      })
    },
    take(offer) {
      const pause = pauses.get(keyOf(offer))
      if (!pause) return true
      const now = clock.mono()
      if (pause.until > now) return false
      pause.until = now + TRYING_MS
      return true
    },
    refused(offer, error) {
      const ms = Math.min((pauses.get(keyOf(offer))?.ms ?? PAUSE_MS / 2) * 2, PAUSE_MS_MAX)
      pauses.set(keyOf(offer), { until: clock.mono() + ms, ms, error })
    },
    worked: offer => void pauses.delete(keyOf(offer)),
  }
}
