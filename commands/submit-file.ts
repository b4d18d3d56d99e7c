/** `tdf submit --file tasks.ndjson`: a task a line, with the names of the options as keys. All or nothing is read. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { asTdfError, ERRORS } from '../src/errors.ts'
import type { TaskJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { type Cli, durationOf, print, printJson, say, usage } from './cli.ts'
import { paintOf } from './colour.ts'
import { errorText } from './error-text.ts'
import type { Format } from './formats.ts'
import { type PlannedTask, plannedText } from './planned-text.ts'
import { type Taken, takeRepository } from './repository.ts'
import { readStdin } from './stdin.ts'
import { type SubmitOptions, submitBody } from './submit-body.ts'
import { type Line, parseLines } from './submit-lines.ts'
import { post } from './submit-post.ts'

const FILE_BYTES_MAX = 16 * 1024 * 1024

/** Options of the command line hold for every line that does not say otherwise. */
export async function submitFile(cli: Cli, file: string, options: SubmitOptions, format: Format): Promise<void> {
  if (options.wait || options.follow) throw usage('--file does not wait; wait for what it prints', 'tdf wait @last')
  const lines = parseLines(await textOf(cli, file), file, options)
  const take = repositories(cli)
  const done: (TaskJson | PlannedTask)[] = []
  for (const line of lines) {
    try {
      const task = await submitLine(cli, line, await take(line.options), options)
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
function repositories(cli: Cli): (options: SubmitOptions) => Promise<Taken> {
  const taken = new Map<string, Promise<Taken>>()
  return options => {
    const { repo, ref, dirty, push, pr, remote } = options
    const key = JSON.stringify([repo, ref, dirty, push, pr, remote])
    const known = taken.get(key) ?? takeRepository(cli, options)
    taken.set(key, known)
    return known
  }
}

function submitLine(
  cli: Cli,
  { number, prompt, command, options }: Line,
  { repo, author, remote }: Taken,
  { dryRun = false, idempotencyKey }: SubmitOptions,
): Promise<TaskJson | PlannedTask> {
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, 'timeout')
  const json = submitBody({ prompt, command, repo, author, remote, timeoutMs, options })
  // One key for the file makes one for each line: the same file again is the same tasks.
  const key = options.idempotencyKey ?? (idempotencyKey === undefined ? null : `${idempotencyKey}-${number}`)
  return post(cli, json, dryRun ? null : key, dryRun)
}

function announce(cli: Cli, task: TaskJson | PlannedTask, format: Format): void {
  if (format === 'ndjson') return printJson(cli, task)
  if (task.id === null) return print(cli, plannedText(task))
  if (format === 'table' || format === 'wide') say(cli, `submitted: ${oneLine(task.title)}`)
  print(cli, task.id)
}
