/** tdf(1): every command with its arguments, options and examples. */
import type { Command } from 'commander'
import { VERSION } from '../../src/version.ts'
import { EXAMPLES, type ExampleOf } from '../examples.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { header, item, paragraph, roff, section, subsection, verbatim } from './roff.ts'

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['TDF_HOME', 'A folder that holds everything: configuration, state and socket.'],
  ['TDF_HOST', 'The socket of the daemon, as a path or as unix:///PATH. --host wins.'],
  ['TDF_CONFIG', 'The configuration file.'],
  ['TDF_TABLE__KEY', 'Any key of the configuration, such as TDF_RUNNER__STEP_MAX_RETRIES; see tdf-config(5).'],
  ['TDF_COLOR', 'auto, always or never. --color and --no-color win; NO_COLOR and FORCE_COLOR come behind it.'],
  ['TDF_DEBUG', 'Shows where in tdf a fault came from; "api" also tells each request to the daemon, as --debug does.'],
  ['VISUAL, EDITOR', 'Where a prompt is written when tdf submit is given none.'],
  ['PAGER', 'Where the dashboard shows a whole log.'],
]

const FILES: readonly (readonly [string, string])[] = [
  ['~/.config/tdf/config.toml', 'Your configuration; /etc/tdf/config.toml for the service of the machine.'],
  ['~/.local/state/tdf', 'The state of your daemon; /var/lib/tdf for the service of the machine.'],
  ['$XDG_RUNTIME_DIR/tdf/tdf.sock', 'Its socket; /run/tdf/tdf.sock for the service of the machine.'],
]

const items = (rows: readonly (readonly [string, string])[]) => rows.map(([term, text]) => item(term, text)).join('')

export function commandPage(program: Command): string {
  const help = program.createHelp()
  const shown = help.visibleCommands(program).filter(command => command.name() !== 'help')
  return [
    header('tdf', 1, VERSION),
    section('name', `${roff(`tdf - ${program.description().replace(/\.$/, '')}`)}\n`),
    section('synopsis', '.B tdf\n', `${roff('[options] command [arguments]')}\n`),
    section(
      'description',
      paragraph(
        'A daemon picks a machine or orders one, makes a workspace from your repository, runs an agent in it, and brings the ' +
          'work home as a git branch. Data goes to stdout, talk to stderr.',
      ),
      paragraph(
        'A task is named by its id, by four or more of its first characters, as @last, which is the newest one, or as ' +
          '@last-failed, the newest of those that failed.',
      ),
    ),
    section('options', optionsOf(program), paragraph('They may stand before or behind the command.')),
    section('commands', ...shown.flatMap(command => commandParts(command, `tdf ${command.name()}`))),
    section('exit status', items(EXIT_CODES.map(([code, meaning]) => [String(code), `${meaning}.`]))),
    section('environment', items(ENVIRONMENT)),
    section('files', items(FILES)),
    section('see also', `.BR tdf\\-config (5)\n`),
  ].join('')
}

function commandParts(command: Command, path: string): string[] {
  const help = command.createHelp()
  const children = help.visibleCommands(command).filter(child => child.name() !== 'help')
  if (children.length > 0) return children.flatMap(child => commandParts(child, `${path} ${child.name()}`))
  const usage = `${path} ${command.usage()}`.replace(/ \[options\]/, optionsOf(command) === '' ? '' : ' [options]')
  const examples = Object.hasOwn(EXAMPLES, path.slice(4)) ? EXAMPLES[path.slice(4) as ExampleOf] : []
  const args = help.visibleArguments(command).map(arg => item(arg.name(), `${help.argumentDescription(arg)}.`))
  return [
    subsection(usage, paragraph(sentence(command.description())), ...args, optionsOf(command)),
    examples.length > 0 ? verbatim(examples) : '',
  ]
}

function optionsOf(command: Command): string {
  const help = command.createHelp()
  const options = help.visibleOptions(command).filter(({ long }) => long !== '--help')
  return items(options.map(option => [help.optionTerm(option), sentence(help.optionDescription(option))]))
}

const sentence = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}.`
