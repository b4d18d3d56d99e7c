/** The command tree. What a command needs beyond its options is loaded when it runs. */
import { Command, type CommanderError, Option } from 'commander'
import { VERSION } from '../src/version.ts'
import { cancelCommand, pruneCommand, retryCommand, rmCommand, sendCommand } from './change.ts'
import { type Cli, usage } from './cli.ts'
import { completeCommand, completionCommand } from './completion.ts'
import { configCommand } from './config.ts'
import { daemonCommand } from './daemon.ts'
import { dbCommand } from './db.ts'
import { doctorCommand } from './doctor.ts'
import { FORMATS } from './formats.ts'
import { nodeCommand } from './nodes.ts'
import { errorsCommand, eventsCommand, logsCommand } from './observe.ts'
import { quickstartCommand } from './quickstart.ts'
import { reapCommand } from './reap.ts'
import { applyCommand, diffCommand, pullCommand, pushCommand, shellCommand } from './results.ts'
import { secretCommand } from './secret.ts'
import { submitCommand } from './submit.ts'
import { lsCommand, showCommand, whyCommand } from './tasks.ts'
import { versionCommand } from './version.ts'
import { waitCommand, watchCommand } from './waiting.ts'

/** In the order of the help text: what one does most comes first. */
const COMMANDS: readonly ((cli: Cli) => Command)[] = [
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

/** In a pipe, where there is no terminal to fit into. */
const HELP_WIDTH = 100

export function buildProgram(cli: Cli): Command {
  const program = new Command('tdf')
    .description('Runs coding-agent tasks on machines you own, and never loses one.')
    .version(VERSION, '--version', 'print the version and nothing else')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(FORMATS))
    .option('--json', 'the same as -o json')
    .option('-q, --quiet', 'the same as -o id')
    .option('--columns <names>', 'these columns of a table, in this order, such as id,status,title', namesOf)
    .option('--no-header', 'tables without their first line')
    .option('--no-input', 'never ask')
    .option('--yes', 'answer every question with yes')
  for (const make of COMMANDS) program.addCommand(make(cli))
  program.addCommand(completeCommand(cli), { hidden: true })
  adopt(cli, program, 'tdf')
  return program
}

function namesOf(text: string): string[] {
  return text.split(',').map(name => name.trim())
}

/** Errors of the command line are thrown, so that one place decides how they look and what they exit with. */
function adopt(cli: Cli, command: Command, path: string): void {
  command
    .exitOverride(error => refuse(error, path))
    .configureOutput({
      writeOut: text => void cli.stdout.write(text),
      // What asks for a command that it has not got shows its help; errors themselves are printed by run.ts.
      writeErr: text => void cli.stdout.write(text),
      outputError: () => {},
      getOutHelpWidth: () => cli.stdout.columns ?? HELP_WIDTH,
      getErrHelpWidth: () => cli.stdout.columns ?? HELP_WIDTH,
    })
  for (const child of command.commands) adopt(cli, child, `${path} ${child.name()}`)
}

/** The parser puts what may have been meant behind its message; here it is the command to type next. */
function refuse(error: CommanderError, path: string): never {
  if (error.exitCode === 0 || error.code === 'commander.help') throw error
  const [message = '', suggestion = ''] = error.message.replace(/^error: /, '').split('\n')
  const meant = /^\(Did you mean (?:one of )?([^,?]+)/.exec(suggestion)?.[1]
  if (meant === undefined) throw usage(message, `${path} --help`)
  const isOption = error.code === 'commander.unknownOption'
  throw usage(`${message} (did you mean ${meant}?)`, isOption ? `${path} --help` : `${path} ${meant} --help`)
}
