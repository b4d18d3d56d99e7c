/** The key of an installation that daemons share, as this host has it. */
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { Cli } from '../../cli/cli.ts'
import { ok } from './here.ts'

/** With the state in a file there is none. Throws what readKey and storeUrl do, with the command that mends it. */
export async function checkKey(cli: Cli): Promise<FindingJson[]> {
  const { loadConfig } = await import('../../../src/config/load/load.ts')
  const { configFile, stateDir, kind } = cli.paths()
  const { store, cluster } = loadConfig({ file: configFile, env: cli.env }).config
  const { storeUrl } = await import('../../../src/store/ledger/url.ts')
  const { keyFileOf, readKey } = await import('../../../src/store/ledger/key.ts')
  const { realWorld } = await import('../../../src/platform/world.ts')
  try {
    if (storeUrl(store, cli.env) === null) return []
    const file = keyFileOf(stateDir, cluster)
    const { fingerprint } = readKey(file, realWorld().random)
    return [ok('key', `${file} is closed to others; its fingerprint is ${fingerprint.slice(0, FINGERPRINT_SHOWN)}`)]
  } catch (thrown) {
    // The service's own files: of those the daemon says whether they are right.
    if (kind === 'system' && (thrown as NodeJS.ErrnoException).code === 'EACCES') return []
    throw thrown
  }
}

/** Enough to compare by eye. */
const FINGERPRINT_SHOWN = 8
