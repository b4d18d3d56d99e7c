/** What `tdf reap` does. It talks to the provider itself, since there may be no daemon any more. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { outwardFetch } from '../../src/clients/outward.ts'
import { loadConfig } from '../../src/config/load/load.ts'
import { TdfError } from '../../src/core/errors.ts'
import { type Reaped, reap, reapKeys } from '../../src/machines/hetzner/reap.ts'
import { tokenReader } from '../../src/machines/hetzner/token.ts'
import { readInstall } from '../../src/platform/install.ts'
import { realWorld, type World } from '../../src/platform/world.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { type Cli, say, shapeOf, usage } from '../cli/cli.ts'
import { type Column, printList } from '../cli/table.ts'

export interface ReapFlags {
  install?: string
  dryRun?: boolean
}

export async function reapMachines(cli: Cli, flags: ReapFlags, command: Command): Promise<void> {
  const world = { ...realWorld(cli.env), fetch: outwardFetch(cli.env) }
  const installId = flags.install === undefined ? ownInstall(cli, world) : known(flags.install)
  const { config } = loadConfig({ file: cli.paths().configFile, env: cli.env })
  const { hetzner } = config.providers
  const token = tokenReader({ tokenFile: hetzner.tokenFile, env: cli.env, stateDir: cli.paths().stateDir })
  const options = { world, installId, config: hetzner, dryRun: flags.dryRun === true, token }
  const { signal } = new AbortController()
  const reaped = await reap(options, signal)
  const rows = reaped.map(row => ({ ...row, leaseUntil: isoOf(row.leaseUntil), createdAt: isoOf(row.createdAt) }))
  printList(cli, shapeOf(cli, command), rows, { columns: COLUMNS, id: ({ nodeName }) => nodeName })
  if (rows.length === 0) say(cli, `no machine of installation ${installId} is left without a lease`)
  if (installId !== ownId(cli, world)) {
    const keys = await reapKeys(options, signal)
    const done = flags.dryRun ? 'would be' : 'was'
    for (const name of keys) say(cli, `the ssh key ${oneLine(name)} of installation ${installId} ${done} removed`)
  }
  const failed = reaped.filter(({ outcome }) => outcome === 'failed').length
  if (failed > 0)
    throw new TdfError('PROVIDER_REFUSED', `${failed} machines could not be removed`, { hint: 'tdf reap' })
}

/** Null where no installation is on this machine. */
function ownId(cli: Cli, world: World): string | null {
  const { stateDir } = cli.paths()
  return existsSync(path.join(stateDir, 'install.json')) ? readInstall(stateDir, world.random).id : null
}

function ownInstall(cli: Cli, world: World): string {
  const { stateDir } = cli.paths()
  const own = ownId(cli, world)
  if (own !== null) return own
  throw new TdfError('NOT_FOUND', `no installation was found in ${stateDir}; name the one whose machines are meant`, {
    hint: 'tdf reap --install ID --dry-run',
  })
}

/** It goes into a selector: anything but an id could select more. */
function known(id: string): string {
  if (/^[A-Za-z0-9]{1,63}$/.test(id)) return id
  throw usage(`"${id}" is not a valid installation id; \`tdf daemon status\` shows it`, 'tdf reap --help')
}

const isoOf = (at: number | null) => (at === null ? null : new Date(at).toISOString())

type Row = Omit<Reaped, 'leaseUntil' | 'createdAt'> & { leaseUntil: string | null; createdAt: string | null }

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', of: ({ nodeName }) => oneLine(nodeName) },
  { title: 'SERVER', of: ({ id }) => id },
  { title: 'LEASE', of: ({ leaseUntil }) => leaseUntil ?? '-' },
  { title: 'PRICE/H', of: ({ pricePerHour }) => (pricePerHour === null ? '-' : `€${pricePerHour.toFixed(4)}`) },
  { title: 'OUTCOME', of: ({ outcome, reason }) => oneLine(reason === null ? outcome : `${outcome}: ${reason}`) },
]
