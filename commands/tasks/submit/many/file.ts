/** `tdf submit --file tasks.ndjson`: a task a line, with the names of the options as keys; and `--each`: a task for each line of a list. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { nearest } from '../../../../src/config/load/suggest.ts'
import { LINE_OPTIONS, type LineOptions, TASK_OPTIONS } from '../../../../src/config/templates/options.ts'
import { asTdfError, ERRORS } from '../../../../src/core/errors.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { oneLine } from '../../../../src/text/sanitize.ts'
import { readStdin } from '../../../cli/arguments.ts'
import { goalOf } from '../../../cli/came-to.ts'
import { type Cli, durationOf, type Format, print, printJson, say, usage } from '../../../cli/cli.ts'
import { paintOf } from '../../../cli/colour.ts'
import { errorText } from '../../../run.ts'
import { waitForTasks } from '../../wait-run.ts'
import { type Taken, takeRepository } from '../repository.ts'
import {
  type Line,
  type PlannedTask,
  plannedSetup,
  plannedText,
  post,
  type SubmitOptions,
  sayPassedOver,
  submitBody,
} from '../request.ts'
import { allowSetup, withRepositoryFile } from '../setup.ts'
import { groupName, isLinked, linesOfList, submitTogether, unlinked } from './together.ts'

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
  const isOne = options.group !== undefined || lines.some(isLinked)
  if (isOne && !options.dryRun) {
    const tasks = await submitTogether(cli, lines, options, { command, where: file, take })
    return announceAll(cli, tasks, format)
  }
  const done: (TaskJson | PlannedTask)[] = []
  for (const line of isOne ? unlinked(lines, file) : lines) {
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
  sayPassedOver(
    cli,
    done.flatMap(task => (task.id === null ? [] : task)),
  )
  if (format === 'json') printJson(cli, done)
}

/** A task for each line of a list, in a group; and one after them, where that was asked for. */
export async function submitList(
  cli: Cli,
  given: SubmitOptions & { each: string },
  words: { prompt: string; command: string[] | null },
  { format, command }: { format: Format; command: Command },
): Promise<void> {
  const { each: file, wait, follow, waitTimeout, ...rest } = given
  if (follow) throw usage('--each follows no output; --wait waits for all of them', 'tdf submit --help')
  const timeoutMs = waitTimeout === undefined ? null : durationOf(waitTimeout, '--wait-timeout')
  const options = { ...rest, each: file, group: groupName(cli, given, words.prompt + (words.command ?? []).join(' ')) }
  const lines = linesOfList(await textOf(cli, file, '--each'), file, words, options)
  const take = repositories(cli, format)
  if (options.dryRun) return planAll(cli, unlinked(lines, file), options, { format, take })
  const tasks = await submitTogether(cli, lines, options, { command, where: file, take })
  if (!wait) return announceAll(cli, tasks, format)
  const progress = format === 'table' ? { progress: 'stderr' as const } : {}
  await waitForTasks(
    cli,
    tasks.map(({ id }) => id),
    { timeoutMs, format, asList: true, ...goalOf(options), ...progress },
  )
}

async function planAll(
  cli: Cli,
  lines: readonly Line[],
  options: SubmitOptions,
  { format, take }: { format: Format; take: (options: SubmitOptions) => Promise<Taken> },
): Promise<void> {
  const plans: PlannedTask[] = []
  for (const line of lines) plans.push((await submitLine(cli, line, await take(line.options), options)) as PlannedTask)
  if (format === 'json') return printJson(cli, plans)
  for (const plan of plans) announce(cli, plan, format)
}

function announceAll(cli: Cli, tasks: readonly TaskJson[], format: Format): void {
  if (format === 'json') return printJson(cli, tasks)
  for (const task of tasks) announce(cli, task, format)
}

async function textOf(cli: Cli, file: string, option = '--file'): Promise<string> {
  if (file === '-') return readStdin(cli, 'tasks', FILE_BYTES_MAX, 'tdf submit --help')
  try {
    return await readFile(path.resolve(cli.cwd, file), 'utf8')
  } catch (error) {
    throw usage(`${option}: ${file} cannot be read: ${asTdfError(error).message}`, 'tdf submit --help')
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

/** The keys of a line: what they must be. */
const KEYS: Record<string, [check: (value: unknown) => boolean, what: string]> = { ...TASK_OPTIONS, ...LINE_OPTIONS }

/** Throws USAGE with file and line of the first that is wrong; blank lines are skipped. */
export function parseLines(text: string, file: string, defaults: SubmitOptions): Line[] {
  const lines = text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [{ line, number: index + 1 }]))
  if (lines.length === 0) throw usage(`${file} holds no task`, 'tdf submit --help')
  // Only the options of one task are handed on; those of the command itself are read where it runs.
  const { wait, follow, waitTimeout, dryRun, idempotencyKey, file: _file, ...shared } = defaults
  return lines.map(({ line, number }) => {
    const { prompt = '', command = null, labels, key = null, after, from, ...own } = checked(line, `${file}:${number}`)
    const linked = { ...(after ? { after: [after].flat() } : {}), ...(from ? { from: [from].flat() } : {}) }
    const options = { ...shared, ...own, ...linked, label: { ...shared.label, ...labels } }
    if (prompt === '' && command === null) throw usage(`${file}:${number}: there is no prompt`, 'tdf submit --help')
    return { number, prompt, command, options, key, own }
  })
}

function checked(line: string, where: string): LineOptions {
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
  return fields as LineOptions
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
