/** The command that holds the others: what every command takes, and how its errors become ours. */
import { Command, type CommanderError, Option } from 'commander'
import { VERSION } from '../src/platform/version.ts'
import { quoted } from './cli/arguments.ts'
import { type Cli, FORMATS, usage } from './cli/cli.ts'
import { COLOUR_WHEN, type ColourWhen } from './cli/colour.ts'

export type MakeCommand = (cli: Cli) => Command

/** In a pipe, where there is no terminal to fit into. */
const HELP_WIDTH = 100

/** `hidden` commands are not in the help. */
export function rootCommand(cli: Cli, shown: readonly MakeCommand[], hidden: readonly MakeCommand[] = []): Command {
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
    .option('--host <socket>', "the daemon's socket, before TDF_HOST", socket => {
      // Known as soon as it is parsed, so that every later error names it.
      cli.host = socket
      return socket
    })
    .addOption(new Option('--color <when>', 'colours, before TDF_COLOR and NO_COLOR').choices(COLOUR_WHEN))
    .option('--no-color', 'the same as --color never')
    .on('option:color', (when: ColourWhen) => {
      cli.colour = when
    })
    .on('option:no-color', () => {
      cli.colour = 'never'
    })
    .option('--debug', 'print each request to the daemon and its result on stderr')
    .on('option:debug', () => {
      cli.debug = true
    })
  for (const make of shown) program.addCommand(make(cli))
  for (const make of hidden) program.addCommand(make(cli), { hidden: true })
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
  const prompt = path === 'tdf submit' ? /unknown option '(-\S*\s.*)'/s.exec(error.message)?.[1] : undefined
  if (prompt !== undefined) throw usage(message, `tdf submit --prompt ${quoted(prompt)}`)
  const meant = /^\(Did you mean (?:one of )?([^,?]+)/.exec(suggestion)?.[1]
  if (meant === undefined) throw usage(message, `${path} --help`)
  const isOption = error.code === 'commander.unknownOption'
  throw usage(`${message} (did you mean ${meant}?)`, isOption ? `${path} --help` : `${path} ${meant} --help`)
}
