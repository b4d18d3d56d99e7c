/**
 * Waits until tasks are where the user wants them: progress on stderr, the tasks as data, the verdict as exit code. The
 * journal's stream says when to look; the task itself, read again, decides.
 */
import process from 'node:process'
import { streamEvents } from '../../src/clients/events.ts'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { isPullOver, isSettled } from '../../src/core/task.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { EventJson, TaskJson } from '../../src/protocol/control.ts'
import { stageNow, stageOf } from '../../src/text/steps.ts'
import { needsInput } from '../../src/text/tasks.ts'
import { groupExitCode } from '../cli/came-to.ts'
import { type Cli, type Format, print, printJson, say } from '../cli/cli.ts'
import { paintedCard, paintOf } from '../cli/colour.ts'
import { type Progress, reporterOf } from '../cli/progress/waiting.ts'
import { followLog } from '../observe/log-follow.ts'
import { logSink } from '../observe/log-sink.ts'
import { cardOf } from './failure-card.ts'
import { taskLine } from './task-text.ts'

/** After a wait of this length the user may look elsewhere: the terminal rings. */
const BELL_MS = 5_000

export interface WaitOptions {
  timeoutMs: number | null
  format: Format
  /** Shows what the agent prints. */
  follow?: boolean
  /** Where the steps are shown as they happen; default: nowhere. */
  progress?: Progress
  isThere?(task: TaskJson): boolean
  /** Until one of them is there. */
  isAny?: boolean
  /** Prints the tasks at the end; one task alone as an object. */
  asList?: boolean
  /** They are a whole group, of which one may win. */
  isGroup?: boolean
}

/** Sets the exit code to what the tasks came to. Ctrl-C leaves them alone: 130. */
export async function waitForTasks(cli: Cli, ids: readonly string[], options: WaitOptions): Promise<void> {
  const { format, timeoutMs, isThere = isSettled, isAny = false } = options
  const { clock } = realWorld()
  const since = clock.mono()
  const interrupt = catchInterrupt()
  const first = ids[0] ?? ''
  const sink = logSink(cli, format === 'table' ? cli.stdout : cli.stderr, { format: 'table' })
  const log = options.follow && ids.length === 1 ? followLog(cli, first, { signal: interrupt.signal, sink }) : null
  const reporter = reporterOf(cli, ids, { format, progress: options.progress, log })
  try {
    const onAway = () => reporter.say('the daemon went away; waiting for it to come back')
    const tasks = await awaitTasks(cli, {
      ids,
      timeoutMs,
      isThere: isThere === isPullOver ? task => isPullOver(task) || needsInput(task) : isThere,
      isAny,
      keepsOn: isThere === isPullOver,
      signal: interrupt.signal,
      onAway,
      ...reporter,
    })
    reporter.end()
    if (tasks === null) {
      say(cli, `detached; the task goes on: tdf watch ${ids.join(' ')}`)
      cli.exitCode = 130
      return
    }
    await log?.finished()
    if (log) await sink.end()
    await show(cli, tasks, options)
    if (cli.stderr.isTTY && format === 'table' && clock.mono() - since > BELL_MS) cli.stderr.write('\x07')
    cli.exitCode = groupExitCode(tasks, isThere, options.isGroup === true)
  } finally {
    reporter.end()
    interrupt.done()
  }
}

async function show(cli: Cli, tasks: readonly TaskJson[], { format, asList = false }: WaitOptions): Promise<void> {
  if (format === 'json') return printJson(cli, asList ? tasks : tasks[0])
  if (format === 'ndjson') return print(cli, tasks.map(task => JSON.stringify(task)).join('\n'))
  if (format === 'id') return print(cli, tasks.map(({ id }) => id).join('\n'))
  for (const task of tasks) {
    const card = await cardOf(cli, task)
    print(cli, taskLine(task, card), text => paintedCard(text, paintOf(cli, cli.stdout)))
    if (needsInput(task)) say(cli, `it waits for you: tdf send ${task.id} "what to do next", or --close to end it`)
  }
}

export interface WaitRequest {
  /** Full ids. */
  ids: readonly string[]
  isThere(task: TaskJson): boolean
  /** One of them is enough. */
  isAny?: boolean
  /** Also when they are over: `isThere` alone decides. */
  keepsOn?: boolean
  timeoutMs: number | null
  signal: AbortSignal
  /** Called for every event of the tasks, also of those before the waiting began; once each. */
  onEvent?(event: EventJson): unknown
  onTask?(task: TaskJson): void
  onAway?(): void
}

/**
 * The tasks that are there, in the order of `ids`, or null when the signal ended the waiting. Throws WAIT_TIMEOUT; a task
 * that needs a person (`awaiting_followup`) or is over counts as there.
 */
export async function awaitTasks(cli: Cli, request: WaitRequest): Promise<TaskJson[] | null> {
  const { ids, timeoutMs } = request
  const seen = new Map<string, TaskJson>()
  const ending = new AbortController()
  const signal = AbortSignal.any([request.signal, ending.signal])
  let isLate = false
  const late = () => {
    isLate = true
    ending.abort()
  }
  const cancel = timeoutMs === null ? () => {} : realWorld().clock.timer(timeoutMs, late)

  const isThere = (task: TaskJson) =>
    request.isThere(task) || (!request.keepsOn && (isSettled(task) || needsInput(task)))
  const { notify, catchUp } = eventsOnce(cli, request, signal)
  const look = async (id: string) => {
    const task = await throughTakeover(signal, () => cli.client().call<TaskJson>({ path: `/tasks/${id}`, signal }))
    seen.set(id, task)
    request.onTask?.(task)
  }
  // Who has won a race is known when the last of it is over.
  const lookAgain = () =>
    whileServed(signal, async () => {
      for (const { id, group } of seen.values()) if (group?.kind === 'race') await look(id)
    })
  const there = () => ids.flatMap(id => seen.get(id) ?? []).filter(isThere)
  const isDone = () => there().length >= (request.isAny ? 1 : ids.length)
  const left = () => {
    const done = new Set(there().map(({ id }) => id))
    return ids.filter(id => !done.has(id))
  }

  try {
    for await (const streamed of streamEvents(cli.client(), { after: 'now', signal })) {
      if (streamed.kind === 'look') {
        for (const id of left()) {
          await look(id)
          await catchUp(id)
        }
      }
      if (streamed.kind === 'away') request.onAway?.()
      if (streamed.kind === 'event') {
        const { event } = streamed
        if (event.taskId === null || !ids.includes(event.taskId)) continue
        await notify(event)
        if (left().includes(event.taskId)) await look(event.taskId)
      }
      if (!isDone() || !(await lookAgain()) || !isDone()) continue
      // A daemon that goes away now takes nothing from what is known.
      for (const { id } of there()) await catchUp(id).catch(() => {})
      return there()
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  } finally {
    cancel()
    ending.abort()
  }
  if (isLate) throw tooLong(left(), seen)
  return null
}

/** Tells of each event of the tasks once, in their order; `catchUp` of every one until now. */
function eventsOnce(cli: Cli, { onEvent }: WaitRequest, signal: AbortSignal) {
  const notified = new Map<string, number>()
  const notify = async (event: EventJson) => {
    const { taskId, seq } = event
    if (taskId === null || seq <= (notified.get(taskId) ?? 0)) return
    notified.set(taskId, seq)
    await onEvent?.(event)
  }
  /** Also those of the change that a task is seen to be over by. */
  const catchUp = async (id: string) => {
    if (!onEvent) return
    const path = `/tasks/${id}/events`
    for (const event of await throughTakeover(signal, () => cli.client().call<EventJson[]>({ path, signal })))
      await notify(event)
  }
  return { notify, catchUp }
}

/** False where the daemon is away, which is then waited for. */
async function whileServed(signal: AbortSignal, act: () => Promise<void>): Promise<boolean> {
  try {
    await act()
    return true
  } catch (thrown) {
    if (signal.aborted || asTdfError(thrown).code !== 'DAEMON_UNREACHABLE') throw thrown
    return false
  }
}

const TAKEOVER_MS_MAX = 60_000
const AGAIN_MS = 500

/** Asks again while no daemon serves: another one takes over. */
async function throughTakeover<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  const { clock } = realWorld()
  const until = clock.mono() + TAKEOVER_MS_MAX
  for (;;) {
    try {
      return await ask()
    } catch (thrown) {
      if (!(thrown instanceof TdfError && thrown.code === 'TAKEOVER') || clock.mono() > until) throw thrown
      await sleep(clock, AGAIN_MS, signal)
    }
  }
}

function tooLong(left: readonly string[], seen: ReadonlyMap<string, TaskJson>): TdfError {
  const id = left[0] ?? ''
  const task = seen.get(id)
  const stage = task && stageOf(task)
  const where = task
    ? `is ${task.status}${stage ? `: ${stageNow(stage, task.node?.name ?? null)}` : ''}`
    : 'was not seen'
  const more = left.length > 1 ? ` (and ${left.length - 1} more)` : ''
  return new TdfError('WAIT_TIMEOUT', `the waiting is over, the task goes on: ${id} ${where}${more}`, {
    hint: `tdf wait ${left.join(' ')}`,
  })
}

/** Ctrl-C while waiting: it ends the waiting, never the task. */
export interface Interrupt {
  signal: AbortSignal
  done(): void
}

export function catchInterrupt(): Interrupt {
  const controller = new AbortController()
  const onSignal = () => controller.abort(new Error('interrupted'))
  process.once('SIGINT', onSignal)
  return {
    signal: controller.signal,
    done() {
      process.off('SIGINT', onSignal)
      controller.abort()
    },
  }
}
