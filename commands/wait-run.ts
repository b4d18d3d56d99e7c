/** Waiting as commands do it: progress as talk, the tasks as data, the verdict as exit code. */
import type { TaskJson } from '../src/protocol/control.ts'
import { realWorld } from '../src/world.ts'
import { awaitTasks } from './await-tasks.ts'
import { type Cli, print, printJson, say } from './cli.ts'
import type { Format } from './formats.ts'
import { catchInterrupt } from './interrupt.ts'
import { isOver, isSettled, needsInput } from './is-over.ts'
import { followLog } from './log-follow.ts'
import { type Progress, tellerOf } from './progress.ts'
import { taskLine } from './task-text.ts'

/** Who waited for longer than this may look elsewhere by now: the terminal rings. */
const BELL_MS = 5_000

export interface WaitOptions {
  timeoutMs: number | null
  format: Format
  /** Shows what the agent prints. */
  follow?: boolean
  /** Where the steps are shown as they happen; nowhere unless told. */
  progress?: Progress
  isThere?(task: TaskJson): boolean
  /** Until one of them is there. */
  isAny?: boolean
  /** Prints the tasks at the end; one task alone as an object. */
  asList?: boolean
}

/** Sets the exit code to what the tasks came to. Ctrl-C leaves them alone: 130. */
export async function waitForTasks(cli: Cli, ids: readonly string[], options: WaitOptions): Promise<void> {
  const { format, timeoutMs, isThere = isSettled, isAny = false } = options
  const { clock } = realWorld()
  const since = clock.mono()
  const interrupt = catchInterrupt()
  const first = ids[0] ?? ''
  const log =
    options.follow && ids.length === 1
      ? followLog(cli, first, { signal: interrupt.signal, to: format === 'table' ? cli.stdout : cli.stderr })
      : null
  const teller = tellerOf(cli, ids, { format, progress: options.progress, isShared: log !== null })
  try {
    const onAway = () => teller.say('the daemon went away; waiting for it to come back')
    const tasks = await awaitTasks(cli, { ids, timeoutMs, isThere, isAny, signal: interrupt.signal, onAway, ...teller })
    teller.end()
    if (tasks === null) {
      say(cli, `detached; the task goes on: tdf watch ${ids.join(' ')}`)
      cli.exitCode = 130
      return
    }
    await log?.finished()
    show(cli, tasks, options)
    if (cli.stderr.isTTY && format === 'table' && clock.mono() - since > BELL_MS) cli.stderr.write('\x07')
    cli.exitCode = tasks.map(task => exitCodeOf(task, isThere)).find(code => code !== 0) ?? 0
  } finally {
    teller.end()
    interrupt.done()
  }
}

function show(cli: Cli, tasks: readonly TaskJson[], { format, asList = false }: WaitOptions): void {
  if (format === 'json') return printJson(cli, asList ? tasks : tasks[0])
  if (format === 'ndjson') return print(cli, tasks.map(task => JSON.stringify(task)).join('\n'))
  if (format === 'id') return print(cli, tasks.map(({ id }) => id).join('\n'))
  for (const task of tasks) {
    print(cli, taskLine(task))
    if (needsInput(task)) say(cli, `it waits for you: tdf send ${task.id} "what to do next", or --close to end it`)
  }
}

/** What a task came to, or 75 when it needs a person and 0 when somebody asked for less than its end. */
export function exitCodeOf(task: TaskJson, isThere: (task: TaskJson) => boolean = isSettled): number {
  if (isOver(task)) {
    if (task.status === 'completed') return task.push?.state === 'failed' ? 1 : 0
    if (task.status === 'cancelled') return 11
    return task.verdict === 'timeout' ? 12 : 10
  }
  if (isThere(task)) return 0
  return needsInput(task) ? 75 : 0
}
