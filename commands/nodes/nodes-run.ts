/** What `tdf node` does. */
import type { Command } from 'commander'
import { TdfError } from '../../src/core/errors.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { NodeJson } from '../../src/protocol/control.ts'
import type { ScannedBoxJson } from '../../src/protocol/nodes.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { nodeStateOf } from '../../src/tui/state/states.ts'
import { confirmed, confirmedByName } from '../cli/ask.ts'
import { type Cli, formatOf, printOne, say, shapeOf } from '../cli/cli.ts'
import { type Column, pairs, printList } from '../cli/table.ts'
import { since } from '../tasks/task-text.ts'

export async function listNodes(cli: Cli, options: { all?: boolean }, command: Command): Promise<void> {
  const nodes = await cli.client().call<NodeJson[]>({ path: `/nodes${options.all ? '?all=true' : ''}` })
  const columns = nodeColumns(realWorld().clock.now())
  printList(cli, shapeOf(cli, command), nodes, { columns, id: ({ name }) => name })
}

export async function showNode(cli: Cli, name: string, command: Command): Promise<void> {
  showOne(cli, await cli.client().call<NodeJson>({ path: at(name, {}) }), command)
}

export async function drainNode(cli: Cli, name: string, options: DrainOptions, command: Command): Promise<void> {
  const { undo, dryRun } = options
  if (dryRun) say(cli, `nothing is changed; this node would be ${undo ? 'taken back' : 'drained'}:`)
  const path = at(name, { undo, dry_run: dryRun }, '/drain')
  showOne(cli, await cli.client().call<NodeJson>({ method: 'POST', path }), command)
}

type DrainOptions = Pick<RemoveOptions, 'dryRun'> & { undo?: boolean }

export interface RemoveOptions {
  discardWork?: boolean
  confirm?: string
  dryRun?: boolean
}

export async function removeNode(cli: Cli, name: string, options: RemoveOptions, command: Command): Promise<void> {
  const { discardWork, dryRun } = options
  if (discardWork && !dryRun) {
    const question = `throw away the work on ${oneLine(name)} that was not saved?`
    if (!(await confirmedByName(cli, command, question, name, options.confirm))) return
  }
  if (dryRun) say(cli, 'nothing is changed; this node would be removed:')
  const path = at(name, { discard_work: discardWork, dry_run: dryRun })
  showOne(cli, await cli.client().call<NodeJson>({ method: 'DELETE', path }), command)
}

/** The path of a node, with the flags that are set. */
function at(name: string, flags: Record<string, boolean | undefined>, what = ''): string {
  const set = Object.entries(flags).flatMap(([flag, isSet]): [string, string][] => (isSet ? [[flag, 'true']] : []))
  return `/nodes/${encodeURIComponent(name)}${what}?${new URLSearchParams(set)}`
}

const nodeColumns = (now: number): readonly Column<NodeJson>[] => [
  { title: 'NAME', of: ({ name }) => oneLine(name) },
  { title: 'PROVIDER', of: ({ provider }) => oneLine(provider), spare: true },
  { title: 'STATUS', of: ({ status }) => status, tone: node => nodeStateOf(node).tone },
  { title: 'TASKS', of: ({ workspaces, maxWorkspaces }) => `${workspaces}/${maxWorkspaces}` },
  { title: 'SIZE', of: ({ size }) => oneLine(size ?? '-'), spare: true },
  { title: 'LOCATION', of: ({ location }) => oneLine(location ?? '-'), spare: true },
  { title: 'PRICE/H', of: ({ pricePerHour }) => price(pricePerHour) },
  { title: 'AGE', of: ({ createdAt }) => since(createdAt, now) },
  { title: 'ADDRESS', of: ({ address }) => oneLine(address ?? '-'), wide: true },
  { title: 'WARM UNTIL', of: ({ warmUntil }) => warmUntil ?? '-', wide: true },
  { title: 'WAITING FOR', of: ({ waitingFor }) => oneLine(waitingFor ?? '-'), flexible: true },
]

function price(perHour: number | null): string {
  return perHour === null ? '-' : `€${perHour.toFixed(4)}`
}

export function showOne(cli: Cli, node: NodeJson, command: Command): void {
  printOne(cli, formatOf(command), node, { id: node.name, text: nodeDetails })
}

function nodeDetails(node: NodeJson): string {
  return pairs([
    ['node', oneLine(node.name)],
    ['provider', oneLine(node.provider)],
    ['status', node.status],
    ['tasks', `${node.workspaces} of ${node.maxWorkspaces}`],
    ['size', node.size && oneLine(node.size)],
    ['location', node.location && oneLine(node.location)],
    ['address', node.address && oneLine(node.address)],
    ['price', node.pricePerHour === null ? null : `${price(node.pricePerHour)} an hour`],
    ['warm until', node.warmUntil],
    ['age', since(node.createdAt, realWorld().clock.now())],
    ['waiting for', node.waitingFor && oneLine(node.waitingFor)],
  ])
}

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
  const message = `${oneLine(ssh)} shows the host key ${fingerprint}, not the one that was given`
  throw new TdfError('NODE_KEY_MISMATCH', message, { hint: 'tdf node add --help' })
}
