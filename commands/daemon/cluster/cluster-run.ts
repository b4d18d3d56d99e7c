/** `tdf cluster` at work. */
import type { Command } from 'commander'
import { TdfError } from '../../../src/core/errors.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import type { ClusterMemberJson } from '../../../src/protocol/upkeep.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { type Cli, formatOf, printOne, shapeOf } from '../../cli/cli.ts'
import { type Column, printList } from '../../cli/table.ts'
import { since } from '../../tasks/task-text.ts'

const LOOK_MS = 200
/** A daemon that serves lets the answers under way go out first. */
const TAKEOVER_MS_MAX = 30_000

export async function listMembers(cli: Cli, command: Command): Promise<void> {
  const now = realWorld().clock.now()
  const columns: readonly Column<ClusterMemberJson>[] = [
    { title: 'NAME', of: ({ name }) => oneLine(name) },
    { title: 'ROLE', of: ({ role }) => role },
    { title: 'EPOCH', of: ({ epoch }) => String(epoch) },
    { title: 'VERSION', of: ({ version }) => oneLine(version) },
    { title: 'SEEN', of: ({ seenAt }) => `${since(seenAt, now)} ago` },
    { title: 'URL', of: ({ url }) => oneLine(url), flexible: true },
  ]
  printList(cli, shapeOf(cli, command), await members(cli), { columns, id: ({ name }) => name })
}

/** Resolves once another daemon serves. */
export async function handOver(cli: Cli, command: Command, name: string | undefined): Promise<void> {
  const path = `/cluster/handover${name === undefined ? '' : `?to=${encodeURIComponent(name)}`}`
  const before = await cli.client().call<ClusterMemberJson[]>({ method: 'POST', path })
  const epoch = Math.max(...before.map(member => member.epoch))
  const { clock } = realWorld()
  const limit = clock.mono() + TAKEOVER_MS_MAX
  while (clock.mono() < limit) {
    const serving = (await members(cli).catch(() => [])).find(member => member.role === 'serving')
    if (serving && serving.epoch > epoch) {
      const text = ({ name: who }: ClusterMemberJson) => `${who} serves (epoch ${serving.epoch})`
      return printOne(cli, formatOf(command), serving, { id: serving.name, text })
    }
    await sleep(clock, LOOK_MS)
  }
  const message = `no other daemon took over within ${TAKEOVER_MS_MAX / 1_000} s`
  throw new TdfError('TAKEOVER', message, { hint: 'tdf cluster ls' })
}

const members = (cli: Cli) => cli.client().call<ClusterMemberJson[]>({ path: '/cluster' })
