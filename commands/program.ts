/** The command tree. What a command needs beyond its options is loaded when it runs. */
import type { Command } from 'commander'
import type { Cli } from './cli/cli.ts'
import { exitCodesCommand } from './cli/exit-codes.ts'
import { daemonCommand } from './daemon/daemon.ts'
import { dbCommand } from './daemon/db.ts'
import { nodeCommand } from './nodes/nodes.ts'
import { reapCommand } from './nodes/reap.ts'
import { errorsCommand, eventsCommand, logsCommand } from './observe/observe.ts'
import { applyCommand, diffCommand, pullCommand, pushCommand, shellCommand } from './results/results.ts'
import { type MakeCommand, rootCommand } from './root.ts'
import { completeCommand, completionCommand } from './setup/completion.ts'
import { configCommand } from './setup/config.ts'
import { doctorCommand } from './setup/doctor.ts'
import { manCommand } from './setup/man.ts'
import { quickstartCommand } from './setup/quickstart.ts'
import { secretCommand } from './setup/secret.ts'
import { versionCommand } from './setup/version.ts'
import { cancelCommand, pruneCommand, retryCommand, rmCommand, sendCommand } from './tasks/change.ts'
import { lsCommand, showCommand, whyCommand } from './tasks/list.ts'
import { submitCommand } from './tasks/submit.ts'
import { waitCommand, watchCommand } from './tasks/wait.ts'

/** In the order of the help text: what one does most comes first. */
const COMMANDS: readonly MakeCommand[] = [
  submitCommand,
  lsCommand,
  showCommand,
  whyCommand,
  logsCommand,
  watchCommand,
  waitCommand,
  diffCommand,
  applyCommand,
  pullCommand,
  pushCommand,
  shellCommand,
  retryCommand,
  cancelCommand,
  sendCommand,
  rmCommand,
  pruneCommand,
  eventsCommand,
  errorsCommand,
  nodeCommand,
  reapCommand,
  daemonCommand,
  dbCommand,
  configCommand,
  secretCommand,
  doctorCommand,
  completionCommand,
  quickstartCommand,
  versionCommand,
]

export function buildProgram(cli: Cli): Command {
  return rootCommand(cli, COMMANDS, [completeCommand, exitCodesCommand, manCommand])
}

/** `tdf` alone: the commands, and how the daemon is. */
export async function overview(cli: Cli, program: Command): Promise<void> {
  const { daemonLine } = await import('./daemon/status.ts')
  program.outputHelp()
  cli.stdout.write(`\n${await daemonLine(cli)}\n`)
}
