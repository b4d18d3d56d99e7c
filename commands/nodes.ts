/** `tdf node`: look at machines, take them out of work, let them go. */
import { Command } from 'commander'
import type { NodeJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { realWorld } from '../src/world.ts'
import { type Cli, formatOf, print } from './cli.ts'
import { examples } from './examples.ts'
import { type Column, type Format, pairs, render } from './output.ts'
import { since } from './task-text.ts'

export function nodeCommand(cli: Cli): Command {
  const node = new Command('node').description('the machines that tasks run on')
  node
    .command('ls')
    .description('every machine that is there')
    .option('--all', 'also those that are gone')
    .addHelpText('after', examples('node ls'))
    .action(async (options: { all?: boolean }, command: Command) => {
      const nodes = await cli.client().call<NodeJson[]>({ path: `/nodes${options.all ? '?all=true' : ''}` })
      const width = cli.stdout.isTTY ? cli.stdout.columns : undefined
      const columns = nodeColumns(realWorld().clock.now())
      print(cli, render(nodes, formatOf(command), { columns, id: ({ name }) => name, width }))
    })
  node
    .command('show')
    .description('everything about one machine')
    .argument('<node>', 'its name')
    .addHelpText('after', examples('node show'))
    .action(async (name: string, _options, command: Command) => {
      show(cli, await cli.client().call<NodeJson>({ path: at(name) }), formatOf(command))
    })
  node
    .command('drain')
    .description('no new tasks for it; what runs goes on')
    .argument('<node>', 'its name')
    .option('--undo', 'take it back into work')
    .addHelpText('after', examples('node drain'))
    .action(async (name: string, options: { undo?: boolean }, command: Command) => {
      const path = `${at(name)}/drain${options.undo ? '?undo=true' : ''}`
      show(cli, await cli.client().call<NodeJson>({ method: 'POST', path }), formatOf(command))
    })
  node
    .command('rm')
    .description('destroy a machine that tdf ordered, or forget one that is not configured any more')
    .argument('<node>', 'its name')
    .option('--discard-work', 'also when work on it was not saved; that work is gone then')
    .addHelpText('after', examples('node rm'))
    .action(async (name: string, options: { discardWork?: boolean }, command: Command) => {
      if (options.discardWork) {
        const { confirmed } = await import('./confirm.ts')
        if (!(await confirmed(cli, command, `throw away the work on ${oneLine(name)} that was not saved?`))) return
      }
      const path = `${at(name)}${options.discardWork ? '?discard_work=true' : ''}`
      show(cli, await cli.client().call<NodeJson>({ method: 'DELETE', path }), formatOf(command))
    })
  return node
}

const at = (name: string) => `/nodes/${encodeURIComponent(name)}`

const nodeColumns = (now: number): readonly Column<NodeJson>[] => [
  { title: 'NAME', of: ({ name }) => oneLine(name) },
  { title: 'PROVIDER', of: ({ provider }) => oneLine(provider) },
  { title: 'STATUS', of: ({ status }) => status },
  { title: 'TASKS', of: ({ workspaces, maxWorkspaces }) => `${workspaces}/${maxWorkspaces}` },
  { title: 'SIZE', of: ({ size }) => oneLine(size ?? '-') },
  { title: 'LOCATION', of: ({ location }) => oneLine(location ?? '-') },
  { title: 'PRICE/H', of: ({ pricePerHour }) => price(pricePerHour) },
  { title: 'AGE', of: ({ createdAt }) => since(createdAt, now) },
  { title: 'ADDRESS', of: ({ address }) => oneLine(address ?? '-'), wide: true },
  { title: 'WARM UNTIL', of: ({ warmUntil }) => warmUntil ?? '-', wide: true },
  { title: 'WAITING FOR', of: ({ waitingFor }) => oneLine(waitingFor ?? '-'), flexible: true },
]

function price(perHour: number | null): string {
  return perHour === null ? '-' : `€${perHour.toFixed(4)}`
}

function show(cli: Cli, node: NodeJson, format: Format): void {
  if (format === 'json' || format === 'ndjson') return print(cli, JSON.stringify(node))
  if (format === 'id') return print(cli, node.name)
  const now = realWorld().clock.now()
  const text = pairs([
    ['node', oneLine(node.name)],
    ['provider', oneLine(node.provider)],
    ['status', node.status],
    ['tasks', `${node.workspaces} of ${node.maxWorkspaces}`],
    ['size', node.size && oneLine(node.size)],
    ['location', node.location && oneLine(node.location)],
    ['address', node.address && oneLine(node.address)],
    ['price', node.pricePerHour === null ? null : `${price(node.pricePerHour)} an hour`],
    ['warm until', node.warmUntil],
    ['age', since(node.createdAt, now)],
    ['waiting for', node.waitingFor && oneLine(node.waitingFor)],
  ])
  print(cli, text)
}
