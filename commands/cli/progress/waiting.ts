/** How a waiting command shows progress: live on a terminal, a line for each thing that happened in a pipe, or JSON. */
import { formatDurationShort } from '../../../src/core/duration.ts'
import { isOver, isSettled, STEPS } from '../../../src/core/task.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../../src/protocol/control.ts'
import { narrator, stageColumn, toldText } from '../../../src/text/progress/narration.ts'
import { oneLine, sanitize } from '../../../src/text/sanitize.ts'
import { stageNow, stageOf, waitText } from '../../../src/text/steps.ts'
import { withLocalTimes } from '../../../src/text/times.ts'
import { estimateText, reasonText } from '../../../src/text/waiting.ts'
import type { FollowedLog } from '../../observe/log-follow.ts'
import { type Cli, type Format, printJson, say } from '../cli.ts'
import { paintOf } from '../colour.ts'
import { liveLines } from './live-lines.ts'

export interface Reporter {
  onTask?(task: TaskJson): void
  /** Resolves once it is shown. */
  onEvent?(event: EventJson): Promise<void> | void
  /** A message in between. */
  say(text: string): void
  /** What follows is written by another part. */
  end(): void
}

/** stdout for `watch`; stderr for commands that only wait. */
export type Progress = 'stdout' | 'stderr'

export interface ReportOptions {
  format: Format
  progress: Progress | undefined
  /** The agent's output, where it is shown as well: the end of the agent is told behind its last line. */
  log: FollowedLog | null
}

export function reporterOf(cli: Cli, ids: readonly string[], { format, progress, log }: ReportOptions): Reporter {
  const quiet = { say: (text: string) => say(cli, text), end: () => {} }
  if (progress === undefined) return quiet
  if (format === 'ndjson') return { ...quiet, onEvent: event => printJson(cli, event) }
  if (format !== 'table' && format !== 'wide') return quiet
  const to = cli[progress]
  const isLive = to.isTTY && cli.env.TERM !== 'dumb' && log === null
  return isLive ? liveReporter(cli, ids, to, progress === 'stdout') : { ...quiet, ...plainReporter(to, ids, log) }
}

/** Knows each task and tells its events. */
function storyteller(ids: readonly string[]) {
  const tasks = new Map<string, TaskJson>()
  const tell = new Map<string, ReturnType<typeof narrator>>()
  const before = (id: string | null) => (ids.length > 1 ? `${id?.slice(0, 6)}  ` : '')
  return {
    tasks,
    before,
    take(task: TaskJson) {
      tasks.set(task.id, task)
      if (!tell.has(task.id)) tell.set(task.id, narrator(task.attempt))
    },
    /** The line of an event; null for what is no news. */
    lineOf(event: EventJson): string | null {
      const task = tasks.get(event.taskId ?? '')
      const told = tell.get(event.taskId ?? '')?.(event, task ? stageOf(task) : null)
      if (task) tasks.set(task.id, moved(task, event))
      return told ? `${before(event.taskId)}${toldText(told)}` : null
    },
  }
}

/** In these statuses nothing else says what a task is at. */
const WAITING: readonly string[] = ['queued', 'delegated', 'parked']

/** A line for each thing that happened, from the beginning of the waiting. */
function plainReporter(
  to: NodeJS.WriteStream,
  ids: readonly string[],
  log: FollowedLog | null,
): Pick<Reporter, 'onTask' | 'onEvent'> {
  const story = storyteller(ids)
  const said = new Map<string, string>()
  const write = (text: string) => void to.write(`${sanitize(text)}\n`)
  return {
    onTask(task) {
      story.take(task)
      const wait = waitText(task)
      // Numbers that run would be a line each; where the agent works, its output says what it does.
      const kind = (wait ?? '').replace(/\d+/g, '0')
      if (kind === (said.get(task.id) ?? '') || !WAITING.includes(task.status)) return
      said.set(task.id, kind)
      if (wait !== null) write(`${story.before(task.id)}· ${wait}`)
    },
    async onEvent(event) {
      const line = story.lineOf(event)
      if (line === null) return
      if (event.type === 'task.step' && event.data.from === 'running') await log?.caughtUp()
      write(line)
    },
  }
}

const TICK_MS = 1_000
/** Why a task waits changes without an event: as its place in the queue does. */
const WHY_TICKS = 3
const TASKS_MAX = 8

/**
 * On a terminal: what is done as lines that stay, and below them where each task is now. `isTitled`: the tasks have no line
 * yet.
 */
export function liveReporter(cli: Cli, ids: readonly string[], to: NodeJS.WriteStream, isTitled: boolean): Reporter {
  const { clock } = realWorld()
  const ending = new AbortController()
  const lines = liveLines(to, paintOf(cli, to))
  const story = storyteller(ids)
  const reasons = new Map<string, WhyJson>()

  function draw(): void {
    const live = ids.flatMap(id => story.tasks.get(id) ?? []).filter(task => !isSettled(task))
    const shown = live.slice(0, TASKS_MAX).map(task => {
      return `${story.before(task.id)}${nowText(task, reasons.get(`${task.id} ${task.step}`), clock.now())}`
    })
    const more = live.length - shown.length
    if (!ending.signal.aborted) lines.show(more > 0 ? [...shown, `and ${more} more`] : shown)
  }

  async function askWhy(): Promise<void> {
    const live = [...story.tasks.values()].filter(task => !isSettled(task)).slice(0, TASKS_MAX)
    for (const { id } of live) {
      const path = `/tasks/${id}/why`
      // A daemon that is away has its own line.
      const why = await cli
        .client()
        .call<WhyJson>({ path, signal: ending.signal })
        .catch(() => null)
      if (why) reasons.set(`${id} ${why.step}`, why)
    }
  }

  async function tick(): Promise<void> {
    for (let ticks = 0; !ending.signal.aborted; ticks += 1) {
      if (ticks % WHY_TICKS === 0) await askWhy()
      draw()
      await sleep(clock, TICK_MS, ending.signal).catch(() => {})
    }
  }

  return {
    onTask(task) {
      const isFirst = story.tasks.size === 0
      if (isTitled && !story.tasks.has(task.id)) lines.print(`${task.id}  ${oneLine(task.title)}`)
      story.take(task)
      draw()
      if (isFirst) void tick()
    },
    onEvent(event) {
      const text = story.lineOf(event)
      draw()
      if (text !== null) lines.print(text)
    },
    say: text => lines.print(text),
    end() {
      ending.abort()
      lines.end()
    },
  }
}

/** A step is known from its event before the task is read again. */
function moved(task: TaskJson, { type, attempt, at, data }: EventJson): TaskJson {
  const step = STEPS.find(name => name === data.to)
  if (type !== 'task.step' || attempt !== task.attempt || step === undefined || isSettled(task)) return task
  return at < (task.stepEnteredAt ?? '') ? task : { ...task, step, stepEnteredAt: at, waitingFor: null }
}

/** `● copying the repository     12s  41 of 120 MB (34 %); about 20s more`. */
function nowText(task: TaskJson, why: WhyJson | undefined, now: number): string {
  const { status, stepEnteredAt, waitingFor } = task
  if (isOver(task)) return '● pushing the branch'
  const seconds = stepEnteredAt === null ? 0 : Math.floor((now - Date.parse(stepEnteredAt)) / 1_000)
  const doing = stageNow(stageOf(task) ?? status, task.node?.name ?? null)
  const reason = why ? withLocalTimes(reasonText(why.sentence)) : waitingFor ? `waits for ${waitingFor}` : ''
  const said = [reason, why && estimateText(why, now)].filter(Boolean).join('; ')
  const isParked = status === 'parked'
  return `${stageColumn(isParked ? '=' : '●', isParked ? 'parked' : doing, formatDurationShort(seconds * 1_000))}  ${oneLine(said)}`.trimEnd()
}
