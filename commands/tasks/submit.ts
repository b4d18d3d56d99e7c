/** `tdf submit`: words become a request. A local repository is bundled here, as its user; the daemon never opens it. */
import { Command, Option } from 'commander'
import { PROVIDERS } from '../../src/core/node.ts'
import { AFTER_CONDITIONS, AT_LIMIT, ON_FAILED, PULL_GOALS } from '../../src/core/source.ts'
import {
  amount,
  collectGlob,
  collectLabel,
  collectTasks,
  groupName,
  integer,
  names,
  notEmpty,
  spawning,
  wholeNumber,
} from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { SubmitOptions } from './submit/request.ts'

export function submitCommand(cli: Cli): Command {
  return withTemplate(
    withGroup(
      withPredecessors(withItself(withEnd(withWork(new Command('submit').description('hand a task to the daemon'))))),
    ),
  )
    .addHelpText('after', examples('submit'))
    .action(async (words: string[], options: SubmitOptions, command: Command) => {
      const { submit } = await import('./submit/run.ts')
      await submit(cli, words.length === 0 ? undefined : words.join(' '), options, command)
    })
}

/** What is done, where, and within what. */
export function withWork(command: Command): Command {
  return command
    .argument(
      '[prompt...]',
      'what to do, in one word or several; "-" reads it from stdin; without one, your editor opens',
    )
    .option('--prompt <prompt>', 'the same, for one that begins with a dash')
    .option('--repo <path-or-url>', 'the repository (default: that of the current folder)')
    .option('--ref <ref>', 'branch, tag or commit to start from, such as HEAD~2 (default: HEAD)')
    .option('--dirty', 'take uncommitted changes along')
    .option('--agent <name>', 'the agent (default: [runner] agent, else claude or codex)')
    .option('--model <model>', 'passed on to the agent')
    .option('--setup <command>', 'run in the workspace before the agent (default: setup of .tdf.toml there)')
    .option('--allow-setup', 'run what .tdf.toml asks for without asking you')
    .option('--no-setup', 'run nothing before it, whatever .tdf.toml says')
    .option(
      '--check <command>',
      'decides whether the work is verified, after the agent (default: check of .tdf.toml there)',
    )
    .option('--no-check', 'run nothing after it, whatever .tdf.toml says')
    .option(
      '--artifacts <glob>',
      'also keep these files, ignored or not, beside the branch; may be given several times',
      collectGlob,
    )
    .option('--node <name>', 'this node and no other')
    .addOption(providerOption())
    .option('--size <size>', 'at least this size')
    .option('--location <location>', 'in this location only')
    .option('--title <title>', 'a name for people (default: the first line of the prompt)')
    .addOption(new Option('--label <key=value>', 'may be given several times').default({}).argParser(collectLabel))
    .addOption(new Option('--priority <number>', 'the higher goes first').default(0).argParser(integer))
    .option('--timeout <duration>', 'end the agent after this time, such as 45m')
    .addOption(
      new Option('--max-cost <usd>', 'end the agent once the task has cost more, and keep its work').argParser(amount),
    )
    .addOption(
      new Option('--at-limit <what>', 'at --max-cost: end, or ask you and let its work rest').choices(AT_LIMIT),
    )
    .addOption(
      new Option('--permissions <policy>', "how the agent's questions for permission are answered").choices([
        'allow',
        'deny',
        'ask',
      ]),
    )
    .addOption(
      new Option('--may-spawn <count>', 'let its agent hand over so many tasks; 5,2: and those some of them').argParser(
        spawning,
      ),
    )
    .addOption(
      new Option(
        '--fallback <agents>',
        'who goes on when the agent is at its limit; names with commas (default: fallback of its table)',
      ).argParser(names),
    )
    .option('--no-fallback', 'wait at a usage limit, whatever its table says')
    .option('--no-auto-resume', 'end at a usage limit, instead of going on when it is lifted')
}

/** What becomes of it. */
export function withEnd(command: Command): Command {
  return command
    .option('--output-branch <branch>', 'the branch of the result (default: tdf/<id>-<title>)')
    .option('--push', 'push the branch once the task is completed; tried again until it is there')
    .option('--pr', 'push it and open a pull request')
    .addOption(
      new Option('--until <goal>', 'open a pull request, and let the agent mend it until it is so').choices(PULL_GOALS),
    )
    .addOption(new Option('--rounds <count>', 'how often it may (default: [pr] rounds)').argParser(wholeNumber))
    .option('--no-push', 'keep it here, whatever [push] default says')
    .option('--remote <name-or-url>', 'where to (default: origin of the repository, or the URL that was cloned)')
    .option('--interactive', 'keep the session for follow-ups until it is closed')
}

/** How the command itself goes on. */
function withItself(command: Command): Command {
  return command
    .option('--idempotency-key <key>', 'the same key again is the same task', notEmpty)
    .option('-w, --wait', 'wait for the verdict; the exit code shows it')
    .option('-f, --follow', "show the agent's output while waiting")
    .option('--wait-timeout <duration>', 'stop waiting after this time; the task goes on')
    .option('--file <tasks.ndjson>', 'a task a line, with these options as keys; "-" reads them from stdin')
    .option('-n, --dry-run', 'show what would be done')
}

/** What the task waits for before it begins. */
function withPredecessors(command: Command): Command {
  return command
    .option('--after <tasks>', 'begin when these are completed; ids with commas between them', collectTasks)
    .option('--from <tasks>', 'the same, and begin from their work: of several, merged', collectTasks)
    .addOption(
      new Option('--if <what>', 'when they let it go on: completed, or over in any way (default: ok)').choices(
        AFTER_CONDITIONS,
      ),
    )
    .addOption(
      new Option('--on-failed <what>', 'when one is not completed: wait on for it, or end too (default: hold)').choices(
        ON_FAILED,
      ),
    )
}

/** Many of them at once. */
function withGroup(command: Command): Command {
  return command
    .option('--group <name>', 'put it into this group, which ls, wait, cancel, retry and why take by name', groupName)
    .option(
      '--each <list>',
      'a task for each line of this file, in place of {} in the prompt; "-" reads stdin',
      notEmpty,
    )
    .option('--at-most <count>', 'so many tasks of the group at once', wholeNumber)
    .option(
      '--reduce <prompt>',
      'one more task after those of --each, from the work of all that are completed',
      notEmpty,
    )
    .option('--n <count>', 'so many of the same, of which one wins; of several agents (a,b) in turn', wholeNumber)
    .option(
      '--pick <command>',
      'with --n, run where each stands: exit code 0 lets it pass, and its last line is its score',
      notEmpty,
    )
    .option('--first', 'with --n: the first that passes wins, and the others are cancelled')
}

/** What is written once and submitted by name. */
export function withTemplate(command: Command): Command {
  return command
    .option(
      '--template <name>',
      'take options and prompt from NAME.md: of [templates] dir, or of .tdf/ in the repository',
      notEmpty,
    )
    .addOption(
      new Option('--set <name=value>', 'the value of a {{name}} in it; may be given several times').argParser(
        collectLabel,
      ),
    )
}

/** Whether it is enabled is the daemon's to say. */
function providerOption(): Option {
  const option = new Option('--provider <name>', 'nodes of this provider only')
  option.argChoices = [...PROVIDERS]
  return option
}
