/**
 * Ends what a dead daemon left: exactly the servers that carry an installation's mark and whose lease has run out. Needs
 * a token and the installation's id, no daemon and no database.
 */
import type { Config } from '../../config/schema/config.ts'
import { asTdfError } from '../../core/errors.ts'
import { sleep, type World } from '../../platform/world.ts'
import type { MarkedFleet, MarkedMachine } from '../provider.ts'
import { hetznerApi } from './api.ts'
import { hetznerClient } from './client.ts'
import { isOfInstall, ofInstall } from './labels.ts'
import { markedFleet } from './marked.ts'

export interface Reaped extends MarkedMachine {
  outcome: 'expired' | 'removed' | 'going' | 'kept' | 'failed'
  /** Why it was kept, or why it could not be removed. */
  reason: string | null
}

export interface ReapOptions {
  world: World
  config: Config['providers']['hetzner']
  token(): string
  installId: string
  /** Changes nothing. */
  dryRun: boolean
}

const LOOK_MS = 2_000
/** A deletion takes seconds; the next call sees the rest. */
const LOOKS_MAX = 30

/** Answers what was expired, and what says nothing of its lease. Throws when they cannot be listed. */
export async function reap(options: ReapOptions, signal: AbortSignal): Promise<Reaped[]> {
  const { world, config, token, installId, dryRun } = options
  const api = hetznerApi(hetznerClient({ world, endpoint: config.endpoint, token }))
  const fleet = markedFleet({ api, installId, config })
  const now = world.clock.now()
  const reaped: Reaped[] = []
  for (const machine of await fleet.list(signal)) {
    const { leaseUntil } = machine
    if (leaseUntil === null) reaped.push({ ...machine, outcome: 'kept', reason: 'it says nothing of its lease' })
    else if (leaseUntil > now) continue
    else if (dryRun) reaped.push({ ...machine, outcome: 'expired', reason: null })
    else reaped.push({ ...machine, ...(await end(world, fleet, machine, signal)) })
  }
  return reaped
}

/**
 * Removes the ssh keys of an installation that is gone, once no server carries its mark any more; answers their names. One
 * that is not gone after all uploads its key anew when it next orders a machine.
 */
export async function reapKeys(options: ReapOptions, signal: AbortSignal): Promise<string[]> {
  const { world, config, token, installId, dryRun } = options
  const api = hetznerApi(hetznerClient({ world, endpoint: config.endpoint, token }))
  if ((await api.list(ofInstall(installId), signal)).length > 0) return []
  const keys = (await api.keys(ofInstall(installId), signal)).filter(key => isOfInstall(key, installId))
  for (const { id } of dryRun ? [] : keys) await api.removeKey(id, signal)
  return keys.map(({ name }) => name)
}

/** One that cannot be removed keeps no other. */
async function end(
  world: World,
  fleet: MarkedFleet,
  machine: MarkedMachine,
  signal: AbortSignal,
): Promise<Pick<Reaped, 'outcome' | 'reason'>> {
  try {
    for (let look = 0; look < LOOKS_MAX; look++) {
      if (await fleet.remove(machine, signal)) return { outcome: 'removed', reason: null }
      await sleep(world.clock, LOOK_MS, signal)
    }
    return { outcome: 'going', reason: null }
  } catch (thrown) {
    signal.throwIfAborted()
    return { outcome: 'failed', reason: asTdfError(thrown).message }
  }
}
