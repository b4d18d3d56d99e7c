/** `tdf node`: look at machines, take them out of work, let them go; and `tdf top`, all of them at a glance. */
import { Command } from 'commander'
import { wholeNumber } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { AddOptions, RemoveOptions } from './nodes-run.ts'

const load = () => import('./nodes-run.ts')

export function nodeCommand(cli: Cli): Command {
  const node = new Command('node').description('the machines that tasks run on').addHelpText('after', examples('node'))
  node
    .command('ls')
    .description('every machine that is there')
    .option('--all', 'also those that are gone')
    .addHelpText('after', examples('node ls'))
    .action(async (options: { all?: boolean }, command: Command) => (await load()).listNodes(cli, options, command))
  node
    .command('show')
    .description('everything about one machine')
    .argument('<node>', 'its name')
    .addHelpText('after', examples('node show'))
    .action(async (name: string, _options, command: Command) => (await load()).showNode(cli, name, command))
  node
    .command('add')
    .description('a machine of yours, reached by ssh; tdf brings its agent there')
    .argument('<user@host>', 'reached with the ssh configuration of the daemon')
    .option('--name <name>', 'what it is called; else its host name')
    .option('--host-key <key>', 'its host key or the fingerprint of that, instead of the question')
    .option('--size <size>', 'what --size of a task it matches')
    .option('--location <location>', 'what --location of a task it matches')
    .option('--max-workspaces <count>', 'tasks at a time', wholeNumber)
    .addHelpText('after', examples('node add'))
    .action(async (ssh: string, options: AddOptions, command: Command) =>
      (await import('./nodes-run.ts')).addNode(cli, ssh, options, command),
    )
  node
    .command('drain')
    .description('no new tasks for it; what runs goes on')
    .argument('<node>', 'its name')
    .option('--undo', 'take it back into work')
    .option('-n, --dry-run', 'show what would be done')
    .addHelpText('after', examples('node drain'))
    .action(async (name: string, options: { undo?: boolean; dryRun?: boolean }, command: Command) =>
      (await load()).drainNode(cli, name, options, command),
    )
  node
    .command('rm')
    .description('destroy a machine that tdf ordered, or forget one that is not configured any more')
    .argument('<node>', 'its name')
    .option('--discard-work', 'also when work on it was not saved; that work is gone then')
    .option('--confirm <name>', 'the name once more, instead of the question that --discard-work asks')
    .option('-n, --dry-run', 'show what would be done')
    .addHelpText('after', examples('node rm'))
    .action(async (name: string, options: RemoveOptions, command: Command) =>
      (await load()).removeNode(cli, name, options, command),
    )
  return node
}

export function topCommand(cli: Cli): Command {
  return new Command('top')
    .description('machines: load, room, tasks, price; again and again on a terminal, until Ctrl-C')
    .option('--once', 'show it once, as in a pipe')
    .addHelpText('after', examples('top'))
    .action(async (options: { once?: boolean }, command: Command) => {
      const { top } = await import('./top-run.ts')
      await top(cli, options.once === true, command)
    })
}
