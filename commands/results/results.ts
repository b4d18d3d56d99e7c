/** The work of a task, from the daemon's own copy: `diff`, `apply`, `pull`, `push`, `fit`, `shell`. */
import { Command } from 'commander'
import { ATTEMPT, groupName, TASK, TASKS } from '../cli/arguments.ts'
import { type Cli, formatOf, shapeOf } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { FitOptions } from './fit-run.ts'
import type { LandOptions } from './land-run.ts'
import type { PullOptions } from './pull-run.ts'
import type { PushOptions } from './push-run.ts'

export function diffCommand(cli: Cli): Command {
  return new Command('diff')
    .description('what a task changed')
    .argument('<task>', ATTEMPT)
    .option('--stat', 'files and counts only')
    .addHelpText('after', examples('diff'))
    .action(async (reference: string, options: { stat?: boolean }, command: Command) => {
      const { diff } = await import('./results-run.ts')
      await diff(cli, reference, options.stat === true, formatOf(command))
    })
}

export function applyCommand(cli: Cli): Command {
  return new Command('apply')
    .description("put a task's changes into the work tree of the current repository, uncommitted")
    .argument('<task>', ATTEMPT)
    .option('--3way', 'merge what does not fit as it is; conflicts stay in the files, marked')
    .addHelpText('after', examples('apply'))
    .action(async (reference: string, options: { '3way'?: boolean }, command: Command) => {
      const { apply } = await import('./results-run.ts')
      await apply(cli, reference, options['3way'] === true, formatOf(command))
    })
}

export function pullCommand(cli: Cli): Command {
  return new Command('pull')
    .description("fetch a task's commits into a branch of the current repository")
    .argument('<task>', ATTEMPT)
    .option('--branch <name>', "another name than the task's own, or the name of one that came home beside it")
    .option('--all', 'also the branches, stashes and work trees that came home beside it, as branches of their own')
    .addHelpText('after', examples('pull'))
    .action(async (reference: string, options: PullOptions, command: Command) => {
      const { pull } = await import('./pull-run.ts')
      await pull(cli, reference, options, formatOf(command))
    })
}

export function pushCommand(cli: Cli): Command {
  return new Command('push')
    .description("push a task's branch from the daemon's own copy; a branch that tdf did not make is left alone")
    .argument('<task>', ATTEMPT)
    .option('--remote <name-or-url>', 'where to (default: as at the last time or at submit, else origin)')
    .option('--branch <name>', "another name than the task's own")
    .option('--pr', 'open a pull request too')
    .addHelpText('after', examples('push'))
    .action(async (reference: string, options: PushOptions, command: Command) => {
      const { push } = await import('./push-run.ts')
      await push(cli, reference, options, formatOf(command))
    })
}

export function fitCommand(cli: Cli): Command {
  return new Command('fit')
    .description('whether results still fit onto where their branch is by now, and which exclude each other')
    .argument('[task...]', `${TASKS} (default: those of the repository of the current folder)`)
    .option('--onto <branch>', 'another branch than the one that the task began from')
    .option('--group <name>', 'the results of this group', groupName)
    .addHelpText('after', examples('fit'))
    .action(async (references: string[], options: FitOptions, command: Command) => {
      const { showFit } = await import('./fit-run.ts')
      await showFit(cli, references, options, shapeOf(cli, command))
    })
}

export function landCommand(cli: Cli): Command {
  return new Command('land')
    .description('put results onto their branch: merged, checked on what is there by now, one after the other')
    .argument('<task...>', TASKS)
    .option('--onto <branch>', 'another branch than the one that the task began from')
    .option('--check <command>', 'decides whether the merged tree may land (default: the check of the task)')
    .option('--no-check', 'land what merges, unchecked')
    .option('--squash', 'as one commit')
    .option('--resolve', 'let the agent of a result that conflicts resolve that, once, and land it then')
    .option('--push', 'push the branch of a folder, too, when it has moved')
    .option('-n, --dry-run', 'only say how they fit, as `tdf fit` does')
    .addHelpText('after', examples('land'))
    .action(async (references: string[], options: LandOptions, command: Command) => {
      const shape = shapeOf(cli, command)
      if (options.dryRun) {
        const { showFit } = await import('./fit-run.ts')
        return showFit(cli, references, options, shape)
      }
      const { land } = await import('./land-run.ts')
      await land(cli, references, options, shape)
    })
}

export function shellCommand(cli: Cli): Command {
  return new Command('shell')
    .description('a shell in the workspace of a task, while it stands')
    .argument('<task>', TASK)
    .addHelpText('after', examples('shell'))
    .action(async (reference: string) => {
      const { shell } = await import('./results-run.ts')
      await shell(cli, reference)
    })
}
