/** `tdf pr`: pull requests that are watched until they are green or merged. */

import { Command, Option } from 'commander'
import { PULL_GOALS } from '../../src/core/source.ts'
import { TASK, wholeNumber } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { AdoptOptions, WatchOptions } from './pr-run.ts'

const load = () => import('./pr-run.ts')

export function prCommand(cli: Cli): Command {
  const pr = new Command('pr')
    .description('pull requests that are watched: what is red is handed to the agent until they are green')
    .addHelpText('after', examples('pr'))
  pr.command('ls')
    .description('every one that is or was watched')
    .addHelpText('after', examples('pr ls'))
    .action(async (_options, command: Command) => (await load()).listPulls(cli, command))
  pr.command('show')
    .description('how that of a task stands, and what it waits for')
    .argument('<task>', TASK)
    .addHelpText('after', examples('pr show'))
    .action(async (task: string, _options, command: Command) => (await load()).showPull(cli, task, command))
  withWish(pr.command('watch').description('watch the pull request of a task that has one'))
    .addHelpText('after', examples('pr watch'))
    .action(async (task: string, options: WatchOptions, command: Command) =>
      (await load()).changePull(cli, task, 'watch', options, command),
    )
  pr.command('adopt')
    .description('watch a pull request that tdf did not open: it becomes a task, whose agent is handed what is red')
    .argument('<url>', 'its address')
    .addOption(until('what it is watched for (default: green)'))
    .addOption(rounds())
    .option('--agent <name>', 'who mends it (default: as for submit)')
    .option('--check <command>', 'decides whether what the agent made is verified')
    .option('--remote <name-or-url>', 'where its branch is fetched from and pushed to (default: as the forge says)')
    .addHelpText('after', examples('pr adopt'))
    .action(async (url: string, options: AdoptOptions, command: Command) =>
      (await load()).adoptPull(cli, url, options, command),
    )
  pr.command('pause')
    .description('look at it no more, until it is resumed')
    .argument('<task>', TASK)
    .addHelpText('after', examples('pr pause'))
    .action(async (task: string, _options, command: Command) =>
      (await load()).changePull(cli, task, 'pause', {}, command),
    )
  withWish(pr.command('resume').description('watch it again, also when its rounds were used up'))
    .addHelpText('after', examples('pr resume'))
    .action(async (task: string, options: WatchOptions, command: Command) =>
      (await load()).changePull(cli, task, 'resume', options, command),
    )
  pr.command('stop')
    .description('watch it no more; the pull request and its branch stay as they are')
    .argument('<task>', TASK)
    .addHelpText('after', examples('pr stop'))
    .action(async (task: string, _options, command: Command) =>
      (await load()).changePull(cli, task, 'stop', {}, command),
    )
  return pr
}

function withWish(command: Command): Command {
  return command
    .argument('<task>', TASK)
    .addOption(until('what it is watched for (default: as before, else green)'))
    .addOption(rounds())
}

const until = (description: string) => new Option('--until <goal>', description).choices(PULL_GOALS)
const rounds = () =>
  new Option('--rounds <count>', 'how often its agent may answer with commits').argParser(wholeNumber)
