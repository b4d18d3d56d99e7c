/** The command that holds the others: what every command takes, and how its errors become ours. */
import { Command, type CommanderError, type Help, Option } from 'commander'
import { VERSION } from '../src/platform/version.ts'
import { quoted } from './cli/arguments.ts'
import { type Cli, FORMATS, usage } from './cli/cli.ts'
import { COLOUR_WHEN, type ColourWhen } from './cli/colour.ts'

export type MakeCommand = (cli: Cli) => Command

/** Commands that stand together in `tdf --help`, by what they are for. */
export interface CommandGroup {
  heading: string
  commands: readonly MakeCommand[]
}

/** In a pipe, where there is no terminal to fit into. */
const HELP_WIDTH = 100

/** `hidden` commands are not in the help. */
export function rootCommand(cli: Cli, groups: readonly CommandGroup[], hidden: readonly MakeCommand[] = []): Command {
  const program = new Command('tdf')
    .description('Runs coding-agent tasks on machines you own, and never loses one.')
    .version(VERSION, '--version', 'print the version and nothing else')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(FORMATS))
    .option('--json', 'the same as -o json')
    .option('-q, --quiet', 'the same as -o id')
    .option('--columns <names>', 'these columns of a table, in this order; the help of a list names them', namesOf)
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
  // The help command of the parser goes into the last group.
  program.commandsGroup(groups.at(-1)?.heading ?? '')
  for (const { heading, commands } of groups)
    for (const make of commands) program.addCommand(make(cli).helpGroup(heading))
  for (const make of hidden) program.addCommand(make(cli), { hidden: true })
  program.addHelpText('beforeAll', () => {
    refuseUnknown(program, program.args)
    return ''
  })
  adopt(cli, program, 'tdf')
  return program
}

/** Throws USAGE when help was asked for about a command that does not exist: the parser would show that of its group. */
function refuseUnknown(group: Command, words: readonly string[]): void {
  const [word, ...rest] = words.filter(one => !one.startsWith('-'))
  if (word === undefined || group.commands.length === 0) return
  if (word === 'help') return refuseUnknown(group, rest)
  const command = group.commands.find(one => [one.name(), ...one.aliases()].includes(word))
  if (command) return refuseUnknown(command, rest)
  // Without the wish for help the parser itself refuses it, with what may have been meant.
  group.parse([word], { from: 'user' })
}

/** A title and a prompt may be left out, too; words to complete are what was typed. */
const MAY_BE_EMPTY = ['title', 'prompt', 'text', 'word']

/** A variable of a script that is not set would name the default, such as the repository of the current folder. */
function refuseEmpty(command: Command, path: string): void {
  const options = [...command.options, ...(command.parent?.options ?? []), ...(command.parent?.parent?.options ?? [])]
  const values = command.optsWithGlobals()
  const given = [
    ...options.map(option => ({
      name: option.attributeName(),
      what: `option '${option.flags}' argument`,
      value: values[option.attributeName()],
    })),
    ...command.registeredArguments.map((argument, index) => ({
      name: argument.name(),
      what: `argument '${argument.name()}'`,
      value: command.processedArgs[index],
    })),
  ]
  const empty = given.find(
    ({ name, value }) => !MAY_BE_EMPTY.includes(name) && [value].flat().some(text => text === ''),
  )
  if (empty) throw usage(`${empty.what} is empty`, `${path} --help`)
}

/** Commands that print rows. */
const LISTS = [
  ...['ls', 'fit', 'artifacts', 'top', 'reap', 'cost', 'events', 'errors', 'doctor', 'node ls', 'pr ls', 'agent ls'],
  ...['source ls', 'source check', 'schedule ls', 'secret ls', 'config show', 'cluster ls'],
].map(name => `tdf ${name}`)

/** Throws USAGE for what prints no rows, before it does anything. */
function refuseRows(command: Command, path: string): void {
  if (command.optsWithGlobals<{ output?: string }>().output === 'csv' && !LISTS.includes(path))
    throw usage(`csv is a form of lists, and ${path} is none`, 'tdf ls -o csv')
}

function namesOf(text: string): string[] {
  return text.split(',').map(name => name.trim())
}

/** Errors of the command line are thrown, so that one place decides how they look and what they exit with. */
function adopt(cli: Cli, command: Command, path: string): void {
  command
    .configureHelp({ showGlobalOptions: true, optionDescription, argumentDescription })
    .exitOverride(error => refuse(error, path))
    .configureOutput({
      writeOut: text => void cli.stdout.write(text),
      // What asks for a command that it has not got shows its help; errors themselves are printed by run.ts.
      writeErr: text => void cli.stdout.write(text),
      outputError: () => {},
      getOutHelpWidth: () => cli.stdout.columns || HELP_WIDTH,
      getErrHelpWidth: () => cli.stdout.columns || HELP_WIDTH,
    })
  if (command.commands.length === 0) command.hook('preAction', () => refuseEmpty(command, path))
  command.hook('preAction', (_, called) => {
    if (called === command) refuseRows(command, path)
  })
  for (const child of command.commands) adopt(cli, child, `${path} ${child.name()}`)
}

/** With the values that are allowed, and a default that people can read: the parser would print those of the code. */
const optionDescription: Help['optionDescription'] = ({ description, argChoices, ...option }) => {
  const takesValue = option.required || option.optional
  return described(description, argChoices, takesValue ? defaultText(option) : undefined)
}

const argumentDescription: Help['argumentDescription'] = ({ description, argChoices, ...argument }) =>
  described(description, argChoices, defaultText(argument))

function described(description: string, choices: readonly string[] | undefined, initial: string | undefined): string {
  const notes = [
    ...(choices ? [`one of: ${choices.join(', ')}`] : []),
    ...(initial === undefined ? [] : [`default: ${initial}`]),
  ]
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`
}

interface Defaulted {
  defaultValue?: unknown
  defaultValueDescription?: string | undefined
}

/** Undefined where there is none, or where it is nothing: an empty list or table. */
function defaultText({ defaultValue, defaultValueDescription }: Defaulted): string | undefined {
  if (defaultValueDescription !== undefined) return defaultValueDescription
  if (typeof defaultValue === 'number') return String(defaultValue)
  return typeof defaultValue === 'string' && defaultValue !== '' ? defaultValue : undefined
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
