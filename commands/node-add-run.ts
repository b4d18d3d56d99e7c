/** What `tdf node add` does: the machine's host key is shown or compared, and from then on it is the one that counts. */
import type { Command } from 'commander'
import { TdfError } from '../src/errors.ts'
import type { NodeJson } from '../src/protocol/control.ts'
import type { ScannedBoxJson } from '../src/protocol/nodes.ts'
import { oneLine } from '../src/sanitize.ts'
import { type Cli, say } from './cli.ts'
import { confirmed } from './confirm.ts'
import { showOne } from './nodes-run.ts'

export interface AddOptions {
  name?: string
  hostKey?: string
  size?: string
  location?: string
  maxWorkspaces?: number
}

export async function addNode(cli: Cli, ssh: string, options: AddOptions, command: Command): Promise<void> {
  const client = cli.client()
  const name = options.name ?? hostOf(ssh)
  const scanned = await client.call<ScannedBoxJson>({ method: 'POST', path: '/nodes/scan', json: { ssh } })
  if (options.hostKey !== undefined) refuseOther(ssh, scanned, options.hostKey)
  else {
    say(cli, `${oneLine(ssh)} shows the host key ${scanned.fingerprint}`)
    if (!(await confirmed(cli, command, 'is that its key?'))) return
  }
  const { size, location, maxWorkspaces } = options
  const json = { name, ssh, hostKey: scanned.hostKey, size, location, maxWorkspaces }
  const node = await client.call<NodeJson>({ method: 'POST', path: '/nodes', json })
  showOne(cli, node, command)
}

/** `user@host` is called as its host is; an address stays as it is, but for signs that no name has. */
function hostOf(ssh: string): string {
  return ssh.replace(/^.*@/, '').replace(/[^A-Za-z0-9._-]/g, '-')
}

/** A fingerprint as `ssh-keygen -l` prints it, or the key itself with or without a comment. */
function refuseOther(ssh: string, { hostKey, fingerprint }: ScannedBoxJson, given: string): void {
  const [type, base64] = given.trim().split(/\s+/)
  if (given.trim() === fingerprint || `${type} ${base64}` === hostKey) return
  throw new TdfError(
    'NODE_KEY_MISMATCH',
    `${oneLine(ssh)} shows the host key ${fingerprint}, not the one that was given`,
    {
      hint: 'tdf node add --help',
    },
  )
}
