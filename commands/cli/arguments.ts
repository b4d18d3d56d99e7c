/** Arguments and options that several commands share: how they are read, and which tasks they name. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { collected, pages } from '../../src/clients/pages.ts'
import { TdfError } from '../../src/core/errors.ts'
import { STATUSES, type Status } from '../../src/core/task.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { type Cli, usage } from './cli.ts'

export const TASK = 'an id, four or more of its first characters, @last or @last-failed'
/** Where a result is read. */
export const ATTEMPT = `${TASK}; TASK@2 is its second attempt`
export const TASKS = 'ids, first characters of them, @last, @last-failed, or - for a list on stdin'

export function collectLabel(text: string, labels: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('it must look like key=value.')
  return { ...labels, [text.slice(0, equals)]: text.slice(equals + 1) }
}

/** `--artifacts`, which may be given several times: each glob once; what the file of a repository asks for comes beside them. */
export function collectGlob(glob: string, globs: readonly string[] = []): string[] {
  return [...new Set([...globs, notEmpty(glob)])]
}

/** Tasks, separated by commas; may be given several times. */
export function collectTasks(text: string, known: readonly string[] = []): string[] {
  const named = text.split(',').map(word => notEmpty(word).trim())
  return [...new Set([...known, ...named])]
}

/** Names with commas between them. */
export const names = (text: string): string[] => [...new Set(text.split(',').map(word => notEmpty(word.trim())))]

/** The name of a group of tasks. */
export function groupName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)) return text
  throw new InvalidArgumentError('it must be letters, digits, ".", "_" or "-".')
}

/** `--status`, which may be given several times. */
export function statusOption(which: string): Option {
  const option = new Option('--status <status>', `${which}; may be given several times`)
  option.argChoices = [...STATUSES]
  return option.default([]).argParser(collectStatus)
}

function collectStatus(text: string, known: string[]): string[] {
  if (STATUSES.some(status => status === text)) return [...known, text]
  throw new InvalidArgumentError(`it is not a valid status; valid are: ${STATUSES.join(', ')}.`)
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.')
  return Number(text)
}

/** `3` or `3,2`: how many tasks an agent may hand over, and how deep. */
export function spawning(text: string): { count: number; depth: number } {
  const [, count = '0', depth = '1'] = /^(\d{1,3})(?:,([1-3]))?$/.exec(text) ?? []
  if (Number(count) >= 1 && Number(count) <= 100) return { count: Number(count), depth: Number(depth) }
  throw new InvalidArgumentError(
    'it must be a number from 1 to 100, and behind a comma how deep, from 1 to 3: 5 or 5,2.',
  )
}

export function integer(text: string): number {
  if (!/^-?\d{1,4}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.')
  return Number(text)
}

export function amount(text: string): number {
  if (!/^\d{1,6}(\.\d{1,4})?$/.test(text) || Number(text) === 0) {
    throw new InvalidArgumentError('it must be an amount in USD, such as 2.50.')
  }
  return Number(text)
}

export function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it must not be empty.')
  return text
}

/** An argument quoted for a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

const STDIN_BYTES_MAX = 1024 * 1024

export interface Selection {
  status: string[]
  group?: string
  label: Record<string, string>
}

/** The ids of a group, in the order in which they were put into it. Throws NOT_FOUND when it has none. */
export async function idsOfGroup(cli: Cli, group: string): Promise<string[]> {
  const query = new URLSearchParams({ group })
  const ids = await collected(pages<TaskJson>(cli.client(), '/tasks', query), ({ id }) => id)
  if (ids.length > 0) return ids.reverse()
  throw new TdfError('NOT_FOUND', `there is no task in a group "${group}"`)
}

/** Full ids. Throws NOT_FOUND or AMBIGUOUS for the first that names no task. */
export async function idsOf(cli: Cli, references: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const reference of await expand(cli, references)) {
    const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
    if (!ids.includes(task.id)) ids.push(task.id)
  }
  return ids
}

/** `-` stands for what is on stdin, so that `tdf ls -q --status failed | tdf retry -` works. */
export async function expand(cli: Cli, references: readonly string[]): Promise<string[]> {
  if (!references.includes('-')) return [...references]
  const text = await readStdin(cli, 'a list of tasks', STDIN_BYTES_MAX, 'tdf ls -q')
  const named = text.split(/\s+/).filter(Boolean)
  return references.flatMap(reference => (reference === '-' ? named : [reference]))
}

/** `--label`, `--status` and `--group` for commands that change tasks. */
export function selecting(command: Command): Command {
  return command
    .option('--group <name>', 'all of this group', groupName)
    .addOption(
      new Option('--label <key=value>', 'all with this label; may be given several times')
        .default({})
        .argParser(collectLabel),
    )
    .addOption(statusOption('all in this status'))
}

/** Undefined when tasks were named; else the ids that fit, of those in one of `among`. Throws USAGE when neither is. */
export async function selected(
  cli: Cli,
  references: readonly string[],
  { status, label, group }: Selection,
  among: readonly Status[],
): Promise<string[] | undefined> {
  const isSelecting = group !== undefined || status.length > 0 || Object.keys(label).length > 0
  if (references.length > 0 && isSelecting) throw usage('name tasks or select them, not both', 'tdf ls')
  if (references.length > 0) return undefined
  if (!isSelecting) throw usage('which tasks? name them, or select them by --label, --status or --group', 'tdf ls')
  const query = new URLSearchParams(
    (status.length > 0 ? status : among).map((word): [string, string] => ['status', word]),
  )
  if (group !== undefined) query.append('group', group)
  for (const [key, value] of Object.entries(label)) query.append('label', `${key}=${value}`)
  const found = await collected(pages<TaskJson>(cli.client(), '/tasks', query), ({ id, status }) => ({ id, status }))
  return found.filter(task => among.includes(task.status)).map(({ id }) => id)
}

/**
 * What is piped in, whole and bounded. Throws USAGE on a terminal, and beyond `bytesMax`. `hint` is the command to
 * paste instead.
 */
export async function readStdin(cli: Cli, what: string, bytesMax: number, hint: string): Promise<string> {
  if (cli.stdin.isTTY) throw usage(`"-" reads ${what} from stdin, and stdin is a terminal`, hint)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of cli.stdin) {
    bytes += chunk.length
    if (bytes > bytesMax) throw usage(`${what} may have ${bytesMax} bytes`, hint)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
