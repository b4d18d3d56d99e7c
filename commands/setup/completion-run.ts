/** What could stand under the cursor: commands, options, their values, and tasks and nodes that are there now. */
import type { Command, Option } from 'commander'
import { isTerminal } from '../../src/core/task.ts'
import type { NodeJson, TaskJson } from '../../src/protocol/control.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import type { Cli } from '../cli/cli.ts'
import { COLUMNS } from '../cli/examples.ts'

/** Makes the script offer files instead. */
const FILES = ':files'
/** The longest wait for a TAB. */
const DAEMON_MS = 250
const TASKS_MAX = 100
const DESCRIPTION_CHARS = 60

/** `command` is named by its words behind `tdf`. */
type Source = (cli: Cli, command: string) => Promise<string[]> | string[]

const described = (value: string, text: string) => `${value}\t${oneLine(text).slice(0, DESCRIPTION_CHARS)}`

/** What an argument or the value of an option may be, by its name. */
const SOURCES: Record<string, Source> = {
  task: tasksFor,
  agent: agentsHere,
  label: labelsThere,
  columns: (_, command) => [...(COLUMNS[command] ?? [])],
  sort: (_, command) => (COLUMNS[command] ?? []).flatMap(column => [column, `-${column}`]),
  name: async (cli, command) => (command === 'secret rm' ? secretsOf(cli) : []),
  node: async cli => (await ask<NodeJson[]>(cli, '/nodes')).map(({ name, status }) => described(oneLine(name), status)),
  repo: () => [FILES],
  file: () => [FILES],
  ref: () => [],
}

/** One a line, with a description behind a tab. Never throws: a TAB that fails is only a TAB without an answer. */
export async function candidates(cli: Cli, program: Command, words: readonly string[]): Promise<string[]> {
  const { text, cut, before } = current(words)
  const { command, pending, position } = walk(cli, program, before)
  const assigned = /^(--[\w-]+)=(.*)$/s.exec(text)
  if (assigned?.[1]) {
    const option = findOption(command, assigned[1])
    const whole = `${assigned[1]}=`
    const values = option ? await valuesOf(cli, option, command, assigned[2] ?? '') : []
    return fitting(values, assigned[2] ?? '').map(value => (whole + value).slice(cut))
  }
  if (pending) {
    const values = fitting(await valuesOf(cli, pending, command, text), text)
    return values.map(value => (value === FILES ? value : value.slice(cut)))
  }
  if (text.startsWith('-')) return fitting(optionsOf(command), text)
  const children = command.createHelp().visibleCommands(command)
  const named = children.map(child => described(child.name(), child.description()))
  if (named.length > 0) return fitting(named, text)
  const argument = command.registeredArguments[position] ?? command.registeredArguments.at(-1)
  if (!argument || (position >= command.registeredArguments.length && !argument.variadic)) return []
  return fitting(argument.argChoices ?? (await from(cli, argument.name(), command)), text)
}

/**
 * The word under the cursor. bash hands `--status=failed` over as three words, and `--label team=web` as four; only what stands
 * behind the "=" is put in there: `cut` is the length of what is before it.
 */
function current(words: readonly string[]): { text: string; cut: number; before: readonly string[] } {
  const [name, equals] = words.slice(-3)
  const isOpen = words.at(-1) === '=' && words.length >= 2
  const text = words.at(-1) ?? ''
  if (words.length >= 3 && equals === '=') {
    return { text: `${name}=${text}`, cut: `${name}=`.length, before: words.slice(0, -3) }
  }
  if (isOpen) return { text: `${words.at(-2)}=`, cut: `${words.at(-2)}=`.length, before: words.slice(0, -2) }
  return { text, cut: 0, before: words.slice(0, -1) }
}

/** Where the words before lead: a command, how many of its arguments are there, an option that wants its value. */
function walk(cli: Cli, program: Command, words: readonly string[]) {
  let command = program
  let position = 0
  let pending: Option | undefined
  for (const word of words) {
    if (pending) {
      if (pending.long === '--host') cli.host = word
      pending = undefined
      continue
    }
    if (word.startsWith('-') && word !== '-') {
      const option = findOption(command, word)
      if (option && (option.required || option.optional)) pending = option
      continue
    }
    const child: Command | undefined = command.commands.find(one => [one.name(), ...one.aliases()].includes(word))
    if (child) command = child
    else position += 1
  }
  return { command, position, pending }
}

function lineage(command: Command): Command[] {
  return command.parent ? [command, ...lineage(command.parent)] : [command]
}

function findOption(command: Command, word: string): Option | undefined {
  return lineage(command)
    .flatMap(({ options }) => options)
    .find(option => option.long === word || option.short === word)
}

function optionsOf(command: Command): string[] {
  const help = command.createHelp()
  return lineage(command)
    .flatMap(one => help.visibleOptions(one))
    .flatMap(({ long, description }) => (long ? [described(long, description)] : []))
    .filter((line, index, all) => all.indexOf(line) === index)
}

async function valuesOf(cli: Cli, option: Option, command: Command, text: string): Promise<string[]> {
  const values = option.argChoices ?? (await from(cli, option.attributeName(), command))
  // A list with commas goes on behind its last one.
  const head = option.long === '--columns' ? text.slice(0, text.lastIndexOf(',') + 1) : ''
  return values.map(value => head + value)
}

async function from(cli: Cli, name: string, command: Command): Promise<string[]> {
  const source = Object.hasOwn(SOURCES, name) ? SOURCES[name] : undefined
  const words = lineage(command).map(one => one.name())
  try {
    return (await source?.(cli, words.reverse().slice(1).join(' '))) ?? []
  } catch {
    return []
  }
}

/** Those of the configuration and those that need none, with what each is. */
async function agentsHere(cli: Cli): Promise<string[]> {
  const { loadConfig } = await import('../../src/config/load/load.ts')
  const { agents } = loadConfig({ file: cli.paths().configFile, env: cli.env }).config
  return Object.entries(agents).map(([name, { command }]) => described(name, command.join(' ')))
}

/** Labels that tasks have, the newest task first. */
async function labelsThere(cli: Cli): Promise<string[]> {
  const tasks = await ask<TaskJson[]>(cli, `/tasks?limit=${TASKS_MAX}`)
  const labels = tasks.flatMap(task => Object.entries(task.labels).map(pair => oneLine(pair.join('='))))
  return [...new Set(labels)]
}

async function secretsOf(cli: Cli): Promise<string[]> {
  return (await ask<{ name: string }[]>(cli, '/secrets')).map(({ name }) => oneLine(name))
}

/** The newest first; for commands that change tasks, only those that they may change. */
async function tasksFor(cli: Cli, command: string): Promise<string[]> {
  const wantsOver = ['continue', 'retry', 'rm', 'diff', 'apply', 'pull', 'push', 'artifacts', 'fit', 'land'].includes(
    command,
  )
  const wantsLive = ['cancel', 'send', 'shell'].includes(command)
  const tasks = await ask<TaskJson[]>(cli, `/tasks?limit=${TASKS_MAX}`)
  return tasks
    .filter(({ status }) => (isTerminal(status) ? !wantsLive : !wantsOver))
    .map(({ id, status, title }) => described(id, `${status}: ${title}`))
}

async function ask<T extends unknown[]>(cli: Cli, path: string): Promise<T | []> {
  return cli
    .client()
    .call<T>({ path, timeoutMs: DAEMON_MS })
    .catch(() => [])
}

function fitting(lines: readonly string[], text: string): string[] {
  return lines.filter(line => line === FILES || line.startsWith(text))
}

/** What the shells read. Each asks `tdf complete` and shows a tab-separated candidate and its description. */
const BASH = String.raw`# bash completion for tdf. Keep it in a file:
#   tdf completion bash > ~/.local/share/bash-completion/completions/tdf
_tdf() {
  local line lines=() width=0
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    lines+=("$line")
    line=${'$'}{line%%$'\t'*}
    (( ${'$'}{#line} > width )) && width=${'$'}{#line}
  done < <("$1" complete -- "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  for line in "${'$'}{lines[@]}"; do
    # Only a list is for eyes; what is put on the command line is the candidate alone.
    if (( ${'$'}{#lines[@]} > 1 )) && [[ $COMP_TYPE == 63 && $line == *$'\t'* ]]; then
      printf -v line '%-*s  %s' "$width" "${'$'}{line%%$'\t'*}" "${'$'}{line#*$'\t'}"
      COMPREPLY+=("$line")
    else
      COMPREPLY+=("${'$'}{line%%$'\t'*}")
    fi
  done
}
complete -o nosort -F _tdf tdf 2>/dev/null || complete -F _tdf tdf
`

const ZSH = String.raw`#compdef tdf
# zsh completion for tdf. Keep it in a file of a folder in $fpath:
#   tdf completion zsh > ~/.zfunc/_tdf
_tdf() {
  local line
  local -a described
  for line in "${'$'}{(@f)$("${'$'}{words[1]}" complete -- "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == :files ]]; then
      _files
      return
    fi
    described+=("${'$'}{${'$'}{line%%$'\t'*}//:/\\:}:${'$'}{line#*$'\t'}")
  done
  (( $#described )) && _describe -V tdf described
}
if [[ ${'$'}{funcstack[1]} == _tdf ]]; then
  _tdf "$@"
else
  compdef _tdf tdf
fi
`

const FISH = `# fish completion for tdf. Keep it in a file:
#   tdf completion fish > ~/.config/fish/completions/tdf.fish
function __tdf_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    for line in ($before[1] complete -- $before[2..-1] "$current" 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c tdf -f -k -a '(__tdf_complete)'
`

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH }
