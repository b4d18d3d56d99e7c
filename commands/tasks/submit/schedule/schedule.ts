/** `tdf schedule`: tasks that come again. */
import { Command, Option } from 'commander'
import type { Cli } from '../../../cli/cli.ts'
import { examples } from '../../../cli/examples.ts'
import { withEnd, withTemplate, withWork } from '../../submit.ts'
import type { AddOptions } from './schedule-run.ts'

const load = () => import('./schedule-run.ts')
const NAME = 'the name of a schedule'

export function scheduleCommand(cli: Cli): Command {
  const schedule = new Command('schedule')
    .description('tasks that come again: at the instants of a pattern, each once')
    .addHelpText('after', examples('schedule'))
  schedule.addCommand(addCommand(cli))
  schedule
    .command('ls')
    .description('all schedules, when each comes next and how it went')
    .addHelpText('after', examples('schedule ls'))
    .action(async (_options, command: Command) => (await load()).listSchedules(cli, command))
  schedule
    .command('show')
    .description('one schedule, and what became of each of its instants')
    .argument('<name>', NAME)
    .addHelpText('after', examples('schedule show'))
    .action(async (name: string, _options, command: Command) => (await load()).showSchedule(cli, name, command))
  schedule
    .command('run')
    .description('submit its task now, beside its instants')
    .argument('<name>', NAME)
    .addHelpText('after', examples('schedule run'))
    .action(async (name: string, _options, command: Command) => (await load()).runSchedule(cli, name, command))
  schedule
    .command('pause')
    .description('let no task come from it, until it is resumed')
    .argument('<name>', NAME)
    .addHelpText('after', examples('schedule pause'))
    .action(async (name: string, _options, command: Command) =>
      (await load()).changeSchedule(cli, name, 'pause', command),
    )
  schedule
    .command('resume')
    .description('go on with the next instant; what came in the pause is not made up for')
    .argument('<name>', NAME)
    .addHelpText('after', examples('schedule resume'))
    .action(async (name: string, _options, command: Command) =>
      (await load()).changeSchedule(cli, name, 'resume', command),
    )
  schedule
    .command('rm')
    .description('forget it; its tasks stay')
    .argument('<name>', NAME)
    .addHelpText('after', examples('schedule rm'))
    .action(async (name: string, _options, command: Command) => (await load()).removeSchedule(cli, name, command))
  return schedule
}

function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('submit a task at every instant of a pattern')
    .argument('<name>', 'what it is called')
    .argument('<cron>', 'minute, hour, day, month and weekday, such as "30 2 * * 1-5"; or @hourly, @daily, @weekly')
  return withTemplate(withEnd(withTimes(withWork(command))))
    .option('-n, --dry-run', 'show what would be stored, and when it would come first')
    .addHelpText('after', examples('schedule add'))
    .action(async (name: string, cron: string, words: string[], options: AddOptions, command: Command) => {
      const prompt = words.length === 0 ? undefined : words.join(' ')
      await (await load()).addSchedule(cli, { name, cron, prompt }, options, command)
    })
}

function withTimes(command: Command): Command {
  return command
    .option('--tz <zone>', 'the time zone of the pattern, such as Europe/Berlin (default: that of this machine)')
    .addOption(
      new Option('--catch-up <what>', 'of instants while the daemon was away, make up for the latest, or for none')
        .choices(['once', 'skip'])
        .default('once'),
    )
    .addOption(
      new Option('--overlap <what>', 'while its task of before goes on: leave the instant out, or come after that task')
        .choices(['skip', 'queue'])
        .default('skip'),
    )
    .option('--jitter <duration>', 'come up to so much later, by another time for each instant')
    .option(
      '--until-green',
      'pause once a task of it was completed, and its pull request is green where one is watched',
    )
    .option('--keep-going', 'go on also after three bad ends in a row')
}
