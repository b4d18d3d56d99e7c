/** What `retry`, `cancel`, `send`, `rm` and `prune` do. The daemon alone decides what may be done to a task. */
import type { Command } from 'commander'
import type { Request } from '../../src/clients/control.ts'
import { collected, pages } from '../../src/clients/pages.ts'
import { asTdfError, ERRORS } from '../../src/core/errors.ts'
import type { Status } from '../../src/core/task.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { counted, resultLine } from '../../src/text/tasks.ts'
import { expand, readStdin, type Selection, selected } from '../cli/arguments.ts'
import { canAsk, confirmed } from '../cli/ask.ts'
import { type Cli, durationOf, type Format, formatOf, printJson, printOne, say, usage } from '../cli/cli.ts'
import { paintOf } from '../cli/colour.ts'
import { isOnlyCopy } from '../results/taken.ts'
import { errorText } from '../run.ts'
import { taskLine } from './task-text.ts'
import { waitForTasks } from './wait-run.ts'

const SEND_BYTES_MAX = 512 * 1024
const REMOVE_MS = 120_000

/** What can be done to many tasks at once: the request, the statuses it is meant for, and the verb of its question. */
const CHANGES = {
  retry: { method: 'POST', path: '/retry', among: ['failed', 'cancelled'], ask: 'try again' },
  cancel: { method: 'POST', path: '/cancel', among: ['queued', 'delegated', 'in_progress', 'parked'], ask: 'cancel' },
  rm: { method: 'DELETE', path: '', among: ['completed', 'failed', 'cancelled'], ask: 'forget' },
} as const satisfies Record<string, { method: Request['method']; path: string; among: readonly Status[]; ask: string }>

export type Change = keyof typeof CHANGES

export interface ChangeOptions {
  dryRun?: boolean
  /** Only of `cancel`: whether those that agents have handed over end as well. */
  children?: boolean
  /** Only of `retry`. */
  resume?: boolean
  wait?: boolean
  waitTimeout?: string
}

export async function changeTasks(
  cli: Cli,
  what: Change,
  references: readonly string[],
  { dryRun = false, resume = false, wait = false, waitTimeout, children, ...selection }: Selection & ChangeOptions,
  command: Command,
): Promise<void> {
  const { among, ask } = CHANGES[what]
  const timeoutMs = waitTimeout === undefined ? null : durationOf(waitTimeout, '--wait-timeout')
  const found = await selected(cli, references, selection, among)
  const format = formatOf(command)
  if (found && !dryRun && found.length > 0) {
    if (!(await confirmed(cli, command, `${ask} ${counted(found.length, 'task')}?`))) return
  }
  if (found?.length === 0) say(cli, 'no task matches')
  const named = found ?? (await expand(cli, references))
  const ids = what === 'cancel' && !dryRun ? await withChildren(cli, command, named, children) : named
  const isWaiting = wait && !dryRun
  const asList = found !== undefined
  const bulk = { format, dryRun, asList, isQuiet: isWaiting }
  const isAsking = what === 'rm' && !found && !dryRun && canAsk(cli, command)
  const wanted = isAsking ? await filtered(ids, id => mayForget(cli, command, id)) : ids
  const done = await each(cli, what, wanted, bulk, id => change(cli, what, id, { dryRun, resume }))
  if (!isWaiting || done.length === 0) return
  // The refusals are printed; they decide the exit code unless the others end worse.
  const refused = cli.exitCode
  const progress = format === 'table' ? { progress: 'stderr' as const } : {}
  await waitForTasks(cli, done, { timeoutMs, format, asList: asList || ids.length > 1, ...progress })
  cli.exitCode ||= refused
}

/**
 * With those that their agents have handed over and that go on, where that is wanted: a terminal asks, else an option has to say. Throws
 * USAGE without one; then nothing was changed.
 */
async function withChildren(
  cli: Cli,
  command: Command,
  references: readonly string[],
  wanted: boolean | undefined,
): Promise<readonly string[]> {
  if (wanted === false) return references
  const below: string[] = []
  for (const reference of references) below.push(...(await liveBelow(cli, reference)))
  if (below.length === 0) return references
  const what = `${counted(below.length, 'task')} that ${references.length === 1 ? 'its agent has' : 'their agents have'} handed over`
  if (wanted === undefined && !canAsk(cli, command)) {
    const hint = `tdf cancel ${references.join(' ')} --children`
    throw usage(`${what} would go on (${below.join(', ')}): say --children or --no-children`, hint)
  }
  return (wanted ?? (await confirmed(cli, command, `also cancel ${what}?`))) ? [...references, ...below] : references
}

/** What of the tasks below one goes on, the nearest first. One that cannot be read is told of when it is to be changed. */
async function liveBelow(cli: Cli, reference: string): Promise<string[]> {
  const path = `/tasks/${encodeURIComponent(reference)}`
  const task = await cli
    .client()
    .call<TaskJson>({ path })
    .catch(() => null)
  if (!task?.maySpawn) return []
  const query = new URLSearchParams({ label: `parent=${task.id}` })
  const children = await collected(pages<TaskJson>(cli.client(), '/tasks', query), one => one)
  // A label may be anybody's.
  const own = children.filter(({ parent }) => parent === task.id)
  const live = own.filter(({ status }) => CHANGES.cancel.among.some(one => one === status)).map(({ id }) => id)
  for (const { id } of own) live.push(...(await liveBelow(cli, id)))
  return live
}

export async function send(cli: Cli, reference: string, words: string, close: boolean, command: Command) {
  const text = words === '-' ? await readStdin(cli, 'the text', SEND_BYTES_MAX, 'tdf send --help') : words
  const deliveryId = realWorld().random.bytes(12).toString('hex')
  const path = `/tasks/${encodeURIComponent(reference)}/send`
  const task = await cli.client().call<TaskJson>({ method: 'POST', path, json: { text, close, deliveryId } })
  printOne(cli, formatOf(command), task, { id: task.id, text: taskLine })
}

export async function prune(cli: Cli, olderThan: string, dryRun: boolean, command: Command): Promise<void> {
  const before = realWorld().clock.now() - durationOf(olderThan, '--older-than')
  const query = new URLSearchParams({ ended_before: String(before) })
  const ids = await collected(pages<TaskJson>(cli.client(), '/tasks', query), ({ id }) => id)
  const format = formatOf(command)
  if (ids.length === 0) say(cli, `no task ended more than ${olderThan} ago`)
  else if (!dryRun && !(await confirmed(cli, command, `forget ${counted(ids.length, 'task')} and their results?`)))
    return
  await each(cli, 'rm', ids, { format, dryRun, asList: true }, id => change(cli, 'rm', id, { dryRun }))
}

function change(cli: Cli, what: Change, reference: string, options: ChangeOptions): Promise<TaskJson> {
  const { method, path } = CHANGES[what]
  const query = new URLSearchParams()
  if (options.dryRun) query.set('dry_run', 'true')
  if (options.resume) query.set('resume', 'true')
  const request = { method, path: `/tasks/${encodeURIComponent(reference)}${path}?${query}`, timeoutMs: REMOVE_MS }
  return cli.client().call<TaskJson>(request)
}

interface Bulk {
  format: Format
  dryRun: boolean
  /** Also when it is one task alone. */
  asList: boolean
  /** Prints nothing but failures: the tasks are shown elsewhere. */
  isQuiet?: boolean
}

/**
 * One after the other; returns the ids that it was done to. One failure alone is thrown; of several, each is printed
 * and the first decides the code.
 */
async function each(
  cli: Cli,
  what: Change,
  ids: readonly string[],
  { format, dryRun, asList, isQuiet = false }: Bulk,
  act: (id: string) => Promise<TaskJson>,
): Promise<string[]> {
  const text = dryRun ? taskLine : DONE[what]
  const show = (task: TaskJson) => printOne(cli, format, task, { id: task.id, text })
  if (dryRun && ids.length > 0) say(cli, 'nothing is changed; this would be done to:')
  if (!asList && ids.length === 1 && ids[0] !== undefined) {
    const task = await act(ids[0])
    if (!isQuiet) show(task)
    return [task.id]
  }
  const done: TaskJson[] = []
  for (const id of ids) {
    try {
      const task = await act(id)
      done.push(task)
      if (format !== 'json' && !isQuiet) show(task)
    } catch (thrown) {
      const error = asTdfError(thrown)
      cli.stderr.write(errorText(error, format === 'json' || format === 'ndjson', paintOf(cli, cli.stderr)))
      cli.exitCode ||= ERRORS[error.code].exit
    }
  }
  if (format === 'json' && !isQuiet) printJson(cli, done)
  return done.map(({ id }) => id)
}

/** The answer for a task to which it was done. */
const DONE: Record<Change, (task: TaskJson) => string> = {
  retry: taskLine,
  cancel: ({ id, status }) => `${id} is ${status === 'cancelled' ? '' : 'being '}cancelled`,
  rm: ({ id, result }) => `forgot ${id}${result && result.ahead > 0 ? ' and its result' : ''}`,
}

/** A result that is nowhere else is forgotten only when its user says so. */
async function mayForget(cli: Cli, command: Command, reference: string): Promise<boolean> {
  const path = `/tasks/${encodeURIComponent(reference)}`
  const asked = cli.client().call<TaskJson>({ path })
  // One that cannot be read is refused by the removal itself.
  const task = await asked.catch(() => null)
  if (task === null || !(await isOnlyCopy(cli, task))) return true
  const question = `the result of ${task.id} was never pulled, pushed or applied (${resultLine(task)}). Forget it?`
  return confirmed(cli, command, question)
}

/** One after the other. */
async function filtered(ids: readonly string[], holds: (id: string) => Promise<boolean>): Promise<string[]> {
  const kept: string[] = []
  for (const id of ids) if (await holds(id)) kept.push(id)
  return kept
}
