/** `tdf submit --file tasks.ndjson`: a task a line, with the names of the options as keys. All or nothing is read. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { nearest } from '../../../src/config/load/suggest.ts'
import { asTdfError, ERRORS } from '../../../src/core/errors.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { readStdin } from '../../cli/arguments.ts'
import { type Cli, durationOf, type Format, print, printJson, say, usage } from '../../cli/cli.ts'
import { paintOf } from '../../cli/colour.ts'
import { errorText } from '../../run.ts'
import { type Taken, takeRepository } from './repository.ts'
import { type PlannedTask, plannedSetup, plannedText, post, type SubmitOptions, submitBody } from './request.ts'
import { allowSetup, withRepositoryFile } from './setup.ts'

const FILE_BYTES_MAX = 16 * 1024 * 1024

/** Options of the command line hold for every line that does not say otherwise. */
export async function submitFile(
  cli: Cli,
  file: string,
  options: SubmitOptions,
  { format, command }: { format: Format; command: Command },
): Promise<void> {
  if (options.wait || options.follow) throw usage('--file does not wait; wait for what it prints', 'tdf wait @last')
  const lines = parseLines(await textOf(cli, file), file, options)
  const take = repositories(cli, format)
  const done: (TaskJson | PlannedTask)[] = []
  for (const line of lines) {
    try {
      const taken = await take(line.options)
      if (!options.dryRun) await allowSetup(cli, command, taken.setup, line.options)
      const task = await submitLine(cli, line, taken, options)
      done.push(task)
      if (format !== 'json') announce(cli, task, format)
    } catch (thrown) {
      const error = asTdfError(thrown)
      say(cli, `${file}:${line.number} was not submitted`)
      cli.stderr.write(errorText(error, format === 'json' || format === 'ndjson', paintOf(cli, cli.stderr)))
      cli.exitCode ||= ERRORS[error.code].exit
    }
  }
  if (format === 'json') printJson(cli, done)
}

async function textOf(cli: Cli, file: string): Promise<string> {
  if (file === '-') return readStdin(cli, 'tasks', FILE_BYTES_MAX, 'tdf submit --help')
  try {
    return await readFile(path.resolve(cli.cwd, file), 'utf8')
  } catch (error) {
    throw usage(`--file: ${file} cannot be read: ${asTdfError(error).message}`, 'tdf submit --help')
  }
}

/** Each repository is bundled once, however many lines want it. */
function repositories(cli: Cli, format: Format): (options: SubmitOptions) => Promise<Taken> {
  const taken = new Map<string, Promise<Taken>>()
  return options => {
    const { repo, ref, dirty, push, pr, remote, outputBranch } = options
    const key = JSON.stringify([repo, ref, dirty, push, pr, remote, outputBranch])
    const known = taken.get(key) ?? takeRepository(cli, options, format)
    taken.set(key, known)
    return known
  }
}

async function submitLine(
  cli: Cli,
  { number, prompt, command, options }: Line,
  { repo, author, remote, setup }: Taken,
  { dryRun = false, idempotencyKey }: SubmitOptions,
): Promise<TaskJson | PlannedTask> {
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, 'timeout')
  const whole = await withRepositoryFile(cli, setup, options)
  const json = submitBody({ prompt, command, repo, author, remote, timeoutMs, options: whole })
  // One key for the file makes one for each line: the same file again is the same tasks.
  const key = options.idempotencyKey ?? (idempotencyKey === undefined ? null : `${idempotencyKey}-${number}`)
  if (!dryRun) return post<TaskJson>(cli, json, key, false)
  return { ...(await post<PlannedTask>(cli, json, null, true)), ...(await plannedSetup(cli, setup, options)) }
}

function announce(cli: Cli, task: TaskJson | PlannedTask, format: Format): void {
  if (format === 'ndjson') return printJson(cli, task)
  if (task.id === null) return print(cli, plannedText(task))
  if (format === 'table' || format === 'wide') say(cli, `submitted: ${oneLine(task.title)}`)
  print(cli, task.id)
}

/** One line of the file; all of them are checked before the first is submitted. */
export interface Line {
  /** Counted from 1, as editors do. */
  number: number
  prompt: string
  command: string[] | null
  options: SubmitOptions
}

type Check = (value: unknown) => boolean

const isText: Check = value => typeof value === 'string'
const isKey: Check = value => typeof value === 'string' && value.trim() !== ''
const isFlag: Check = value => typeof value === 'boolean'
const isWhole: Check = value => Number.isInteger(value)
const isWords: Check = value => Array.isArray(value) && value.length > 0 && value.every(isText)
const isTexts: Check = value => Array.isArray(value) && value.every(isKey)
const isLabels: Check = value =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText)

/** The keys of a line: what they are called, and what they must be. */
const KEYS: Record<string, [check: Check, what: string]> = {
  ...Object.fromEntries(
    [
      'prompt',
      'title',
      'repo',
      'ref',
      'agent',
      'model',
      'setup',
      'check',
      'node',
      'provider',
      'size',
      'location',
      'timeout',
      'outputBranch',
      'remote',
    ].map(key => [key, [isText, 'a string']] as const),
  ),
  idempotencyKey: [isKey, 'a string that is not empty'],
  command: [isWords, 'a list of strings'],
  labels: [isLabels, 'an object of strings'],
  priority: [isWhole, 'a whole number'],
  artifacts: [isTexts, 'a list of strings'],
  dirty: [isFlag, 'true or false'],
  interactive: [isFlag, 'true or false'],
  push: [isFlag, 'true or false'],
  pr: [isFlag, 'true or false'],
}

/** Throws USAGE with file and line of the first that is wrong; blank lines are skipped. */
export function parseLines(text: string, file: string, defaults: SubmitOptions): Line[] {
  const lines = text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [{ line, number: index + 1 }]))
  if (lines.length === 0) throw usage(`${file} holds no task`, 'tdf submit --help')
  // Only the options of one task are handed on; those of the command itself are read where it runs.
  const { wait, follow, waitTimeout, dryRun, idempotencyKey, file: _file, ...shared } = defaults
  return lines.map(({ line, number }) => {
    const { prompt = '', command = null, labels, ...own } = checked(line, `${file}:${number}`)
    const options = { ...shared, ...own, label: { ...shared.label, ...labels } }
    if (prompt === '' && command === null) throw usage(`${file}:${number}: there is no prompt`, 'tdf submit --help')
    return { number, prompt, command, options }
  })
}

type Fields = Partial<SubmitOptions> & { prompt?: string; command?: string[]; labels?: Record<string, string> }

function checked(line: string, where: string): Fields {
  const fields = parsed(line, where)
  for (const [key, value] of Object.entries(fields)) {
    const known = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
    if (!known) {
      const meant = nearest(key, Object.keys(KEYS))
      throw usage(`${where}: unknown key "${key}"${meant ? ` (did you mean "${meant}"?)` : ''}`, 'tdf submit --help')
    }
    if (!known[0](value)) throw usage(`${where}: ${key} must be ${known[1]}`, 'tdf submit --help')
  }
  // Every key was checked against the table above.
  return fields as Fields
}

function parsed(line: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, in the same words.
  }
  throw usage(`${where}: this is no JSON object`, 'tdf submit --help')
}
