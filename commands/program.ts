/** The command tree. What a command needs beyond its options is loaded when it runs. */
import type { Command } from 'commander'
import { cancelCommand, pruneCommand, retryCommand, rmCommand, sendCommand } from './change.ts'
import type { Cli } from './cli.ts'
import { completeCommand, completionCommand } from './completion.ts'
import { configCommand } from './config.ts'
import { daemonCommand } from './daemon.ts'
import { dbCommand } from './db.ts'
import { doctorCommand } from './doctor.ts'
import { exitCodesCommand } from './exit-codes.ts'
import { manCommand } from './man.ts'
import { nodeCommand } from './nodes.ts'
import { errorsCommand, eventsCommand, logsCommand } from './observe.ts'
import { quickstartCommand } from './quickstart.ts'
import { reapCommand } from './reap.ts'
import { applyCommand, diffCommand, pullCommand, pushCommand, shellCommand } from './results.ts'
import { type MakeCommand, rootCommand } from './root.ts'
import { secretCommand } from './secret.ts'
import { submitCommand } from './submit.ts'
import { lsCommand, showCommand, whyCommand } from './tasks.ts'
import { versionCommand } from './version.ts'
import { waitCommand, watchCommand } from './waiting.ts'

/** In the order of the help text: what one does most comes first. */
const COMMANDS: readonly MakeCommand[] = [
  ...[submitCommand, lsCommand, showCommand, whyCommand, logsCommand, watchCommand, waitCommand],
  ...[diffCommand, applyCommand, pullCommand, pushCommand, shellCommand],
  ...[retryCommand, cancelCommand, sendCommand, rmCommand, pruneCommand],
  ...[
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
  ],
  ...[quickstartCommand, versionCommand],
]

export function buildProgram(cli: Cli): Command {
  return rootCommand(cli, COMMANDS, [completeCommand, exitCodesCommand, manCommand])
}
