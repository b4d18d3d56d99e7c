/** The command tree. What a command needs beyond its options is loaded when it runs. */
import { Command, type CommanderError, Option } from 'commander'
import { VERSION } from '../src/version.ts'
import { cancelCommand, pruneCommand, retryCommand, rmCommand, sendCommand } from './change.ts'
import { type Cli, usage } from './cli.ts'
import { configCommand } from './config.ts'
import { daemonCommand } from './daemon.ts'
import { nodeCommand } from './nodes.ts'
import { errorsCommand, eventsCommand, logsCommand } from './observe.ts'
import { FORMATS } from './output.ts'
import { quickstartCommand } from './quickstart.ts'
import { applyCommand, diffCommand, pullCommand, shellCommand } from './results.ts'
import { submitCommand } from './submit.ts'
import { lsCommand, showCommand, whyCommand } from './tasks.ts'
import { versionCommand } from './version.ts'
import { waitCommand, watchCommand } from './waiting.ts'

/** In the order of the help text: what one does most comes first. */
const COMMANDS: readonly ((cli: Cli) => Command)[] = [
  ...[submitCommand, lsCommand, showCommand, whyCommand, logsCommand, watchCommand, waitCommand],
  ...[diffCommand, applyCommand, pullCommand, shellCommand],
  ...[retryCommand, cancelCommand, sendCommand, rmCommand, pruneCommand],
  ...[eventsCommand, errorsCommand, nodeCommand, daemonCommand, configCommand, quickstartCommand, versionCommand],
]

export function buildProgram(cli: Cli): Command {
  const program = new Command('tdf')
    .description('Runs coding-agent tasks on machines you own, and never loses one.')
    .version(VERSION, '--version', 'print the version and nothing else')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(FORMATS))
    .option('--json', 'the same as -o json')
    .option('-q, --quiet', 'the same as -o id')
    .option('--no-input', 'never ask')
    .option('--yes', 'answer every question with yes')
    // Errors are printed in one place, commands/main.ts.
    .configureOutput({ writeErr: text => void cli.stderr.write(text), outputError: () => {} })
    .exitOverride(error => refuse(error, 'tdf'))
    .enablePositionalOptions(false)
  for (const make of COMMANDS) program.addCommand(overridden(make(cli), 'tdf'))
  return program
}

/** Errors of the command line are thrown, so that one place decides how they look and what they exit with. */
function overridden(command: Command, parent: string): Command {
  const path = `${parent} ${command.name()}`
  command.exitOverride(error => refuse(error, path)).configureOutput({ outputError: () => {} })
  for (const child of command.commands) overridden(child, path)
  return command
}

function refuse(error: CommanderError, path: string): never {
  const isHelp = error.exitCode === 0 || error.code === 'commander.help'
  throw isHelp ? error : usage(error.message.replace(/^error: /, ''), `${path} --help`)
}
