/** The command tree. What a command needs beyond its options is loaded when it runs. */
import type { Command } from 'commander'
import type { Cli } from './cli/cli.ts'
import { examples } from './cli/examples.ts'
import { exitCodesCommand } from './cli/exit-codes.ts'
import { clusterCommand } from './daemon/cluster/cluster.ts'
import { daemonCommand } from './daemon/daemon.ts'
import { dbCommand } from './daemon/db/db.ts'
import { sourceCommand } from './daemon/sources/source.ts'
import { agentCommand } from './nodes/agents.ts'
import { nodeCommand, topCommand } from './nodes/nodes.ts'
import { reapCommand } from './nodes/reap.ts'
import { costCommand } from './observe/cost.ts'
import { errorsCommand, eventsCommand, logsCommand } from './observe/observe.ts'
import { statusCommand } from './observe/status.ts'
import { artifactsCommand } from './results/artifacts.ts'
import { prCommand } from './results/pr.ts'
import {
  applyCommand,
  diffCommand,
  fitCommand,
  landCommand,
  pullCommand,
  pushCommand,
  shellCommand,
} from './results/results.ts'
import { type CommandGroup, rootCommand } from './root.ts'
import { completeCommand, completionCommand } from './setup/completion.ts'
import { configCommand } from './setup/config.ts'
import { doctorCommand } from './setup/doctor.ts'
import { initCommand } from './setup/first/init.ts'
import { quickstartCommand } from './setup/first/quickstart.ts'
import { manCommand } from './setup/man.ts'
import { secretCommand } from './setup/secret.ts'
import { versionCommand } from './setup/version.ts'
import { cancelCommand, continueCommand, pruneCommand, retryCommand, rmCommand, sendCommand } from './tasks/change.ts'
import { lsCommand, showCommand, whyCommand } from './tasks/list.ts'
import { mcpCommand } from './tasks/mcp/mcp.ts'
import { scheduleCommand } from './tasks/submit/schedule/schedule.ts'
import { submitCommand } from './tasks/submit.ts'
import { waitCommand, watchCommand } from './tasks/wait.ts'

/** In the order of the help text: what one does most comes first. */
const GROUPS: readonly CommandGroup[] = [
  {
    heading: 'Work:',
    commands: [
      submitCommand,
      lsCommand,
      showCommand,
      statusCommand,
      whyCommand,
      logsCommand,
      watchCommand,
      waitCommand,
      sendCommand,
      continueCommand,
      retryCommand,
      cancelCommand,
      scheduleCommand,
      sourceCommand,
      mcpCommand,
    ],
  },
  {
    heading: 'Results:',
    commands: [
      diffCommand,
      applyCommand,
      pullCommand,
      pushCommand,
      fitCommand,
      landCommand,
      prCommand,
      artifactsCommand,
      shellCommand,
      rmCommand,
      pruneCommand,
    ],
  },
  { heading: 'Machines and money:', commands: [topCommand, nodeCommand, reapCommand, costCommand] },
  {
    heading: 'Upkeep:',
    commands: [
      initCommand,
      quickstartCommand,
      doctorCommand,
      daemonCommand,
      clusterCommand,
      configCommand,
      secretCommand,
      agentCommand,
      eventsCommand,
      errorsCommand,
      dbCommand,
      completionCommand,
      versionCommand,
    ],
  },
]

export function buildProgram(cli: Cli): Command {
  const program = rootCommand(cli, GROUPS, [completeCommand, exitCodesCommand, manCommand])
  return program.addHelpText('after', examples('tdf')).hook('preAction', (_, command) => {
    if (STARTERS.includes(pathOf(command))) offerStart(cli, command)
  })
}

/** Where a daemon that is not running is offered to be started. Commands that only look say that there is none. */
const STARTERS = ['submit', 'schedule add', 'watch', 'wait', 'send', 'continue', 'retry', 'node add', 'secret set']

const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : ''

/** Asked once, by the first request that finds nobody. */
function offerStart(cli: Cli, command: Command): void {
  let answer: Promise<boolean> | undefined
  cli.startDaemon = () => {
    answer ??= import('./daemon/start.ts').then(start => start.offerStart(cli, command))
    return answer
  }
}

/** `tdf` alone: the commands, and how the daemon is. */
export async function overview(cli: Cli, program: Command): Promise<void> {
  const { daemonLine } = await import('./daemon/status.ts')
  program.outputHelp()
  cli.stdout.write(`\n${await daemonLine(cli)}\n`)
}
