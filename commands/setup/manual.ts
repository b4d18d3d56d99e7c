/** The pages of the manual by name. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { configTables } from '../../src/config/show/manual.ts'
import { makeFolder } from '../../src/platform/files.ts'
import { VERSION } from '../../src/platform/version.ts'
import { EXAMPLES, type ExampleOf } from '../cli/examples.ts'
import { EXIT_CODES } from '../cli/exit-codes.ts'

export type Page = 'tdf.1' | 'tdf-config.5'

const WRITERS: Record<Page, (program: Command) => string> = { 'tdf.1': commandPage, 'tdf-config.5': configPage }

export function manualPage(page: Page, program: Command): string {
  return WRITERS[page](program)
}

export async function writeManual(folder: string, pages: readonly Page[], program: Command): Promise<void> {
  makeFolder(folder, 0o777)
  for (const page of pages) await writeFile(path.join(folder, page), manualPage(page, program))
}

/** Text in the macros of man(7): no line is taken for a request, and a minus stays one that can be pasted. */
export function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
}

export const section = (title: string, ...parts: readonly string[]) => `.SH ${title.toUpperCase()}\n${parts.join('')}`
export const subsection = (title: string, ...parts: readonly string[]) => `.SS ${quoted(title)}\n${parts.join('')}`
export const paragraph = (text: string) => `.PP\n${roff(text)}\n`
/** A term in bold, and below it what it means. */
export const item = (term: string, text: string) => `.TP\n.B ${quoted(term)}\n${roff(text)}\n`
/** Lines as they stand. */
export const verbatim = (lines: readonly string[]) => `.PP\n.nf\n.RS 4\n${lines.map(roff).join('\n')}\n.RE\n.fi\n`

export function header(name: string, number: number, version: string): string {
  return `.TH ${quoted(name.toUpperCase())} ${number} "" ${quoted(`tdf ${version}`)} "tdf manual"\n`
}

/** One argument of a macro. */
function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '\\(dq')}"`
}

const APPLIES = {
  reload: 'tdf daemon reload takes it over',
  restart: 'the daemon reads it when it starts',
  watch: 'tdf watch reads it when it opens',
}

/** tdf-config(5): every table and key of the configuration. */
export function configPage(): string {
  const tables = configTables().map(({ name, description, keys }) =>
    subsection(
      `[${name}]`,
      paragraph(description),
      ...keys.map(({ name: key, initial, description: says, expects, variable, apply }) => {
        const value = initial === undefined ? '' : ` Default: ${initial}.`
        const set = variable === undefined ? '' : ` ${variable} sets it too;`
        return item(key, `${says} It is ${expects}.${value}${set} ${APPLIES[apply]}.`.replace(/\.\. /g, '. '))
      }),
    ),
  )
  return [
    header('tdf-config', 5, VERSION),
    section('name', `${roff('tdf-config - the configuration of tdf')}\n`),
    section(
      'description',
      paragraph('The file is TOML. Every key has a default; what is set nowhere follows later versions.'),
      paragraph(
        'Durations are texts with a unit, such as "200ms", "30s", "15m" or "1h30m"; sizes such as "64MiB" or "1GiB". An unknown ' +
          'key, a wrong value and limits in an impossible order are refused, each with its line.',
      ),
      verbatim(['tdf config path', 'tdf config check', 'tdf config show --origin', 'tdf config example']),
    ),
    section('tables', ...tables),
    section('see also', '.BR tdf (1)\n'),
  ].join('')
}

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['TDF_HOME', 'A folder that holds everything: configuration, state and socket.'],
  ['TDF_HOST', 'The socket of the daemon, as a path or as unix:///PATH. --host wins.'],
  ['TDF_CONFIG', 'The configuration file.'],
  ['TDF_TABLE__KEY', 'Any key of the configuration, such as TDF_RUNNER__STEP_MAX_RETRIES; see tdf-config(5).'],
  ['TDF_COLOR', 'auto, always or never. --color and --no-color win; NO_COLOR and FORCE_COLOR come behind it.'],
  ['TDF_DEBUG', 'Shows where in tdf a fault came from; "api" also prints each request to the daemon, as --debug does.'],
  ['VISUAL, EDITOR', 'Where a prompt is written when tdf submit is given none.'],
  ['PAGER', 'Where the dashboard shows a whole log.'],
]

const FILES: readonly (readonly [string, string])[] = [
  ['~/.config/tdf/config.toml', 'Your configuration; /etc/tdf/config.toml for the service of the machine.'],
  ['~/.local/state/tdf', 'The state of your daemon; /var/lib/tdf for the service of the machine.'],
  ['$XDG_RUNTIME_DIR/tdf/tdf.sock', 'Its socket; /run/tdf/tdf.sock for the service of the machine.'],
]

const items = (rows: readonly (readonly [string, string])[]) => rows.map(([term, text]) => item(term, text)).join('')

/** tdf(1): every command with its arguments, options and examples. */
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
          'work home as a git branch. Data goes to stdout, messages to stderr.',
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
