/** What `tdf agent` does. */
import type { Command } from 'commander'
import type { CredentialJson } from '../../src/protocol/upkeep.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { localTime } from '../../src/text/times.ts'
import { type Cli, shapeOf } from '../cli/cli.ts'
import { type Column, printList } from '../cli/table.ts'

export async function listAgents(cli: Cli, command: Command): Promise<void> {
  const credentials = await cli.client().call<CredentialJson[]>({ path: '/agents' })
  printList(cli, shapeOf(cli, command), credentials, { columns: COLUMNS, id: ({ credential }) => credential })
}

const COLUMNS: readonly Column<CredentialJson>[] = [
  { title: 'AGENTS', of: ({ agents }) => oneLine(agents.join(', ')) },
  { title: 'TYPE', of: ({ type }) => oneLine(type), spare: true },
  {
    title: 'STATE',
    of: ({ limitedUntil }) => (limitedUntil === null ? 'free' : `at its limit until ${localTime(limitedUntil)}`),
    tone: ({ state }) => (state === 'free' ? 'good' : 'wait'),
  },
  { title: 'RUNNING', of: ({ tasks }) => String(tasks.running) },
  { title: 'PARKED', of: ({ tasks }) => String(tasks.parked) },
  { title: 'QUEUED', of: ({ tasks }) => String(tasks.queued) },
  { title: 'SECRETS', of: ({ secrets }) => oneLine(secrets.join(', ')) || 'its own login', flexible: true },
]
