/** How a waiting command shows progress: live on a terminal, a line for each step in a pipe, or JSON. */
import { formatDurationShort } from '../../../src/core/duration.ts'
import { isOver, isSettled, STEPS } from '../../../src/core/task.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import type { EventJson, TaskJson, WhyJson } from '../../../src/protocol/control.ts'
import { eventText, progressLine, took } from '../../../src/text/events.ts'
import { oneLine, sanitize } from '../../../src/text/sanitize.ts'
import { reasonText } from '../../../src/text/waiting.ts'
import { type Cli, type Format, printJson, say } from '../cli.ts'
import { paintOf } from '../colour.ts'
import { liveLines } from './live-lines.ts'

export interface Reporter {
  onTask?(task: TaskJson): void
  onEvent?(event: EventJson): void
  /** A message in between. */
  say(text: string): void
  /** What follows is written by another part. */
  end(): void
}

/** stdout for `watch`; stderr for commands that only wait. */
export type Progress = 'stdout' | 'stderr'

export function reporterOf(
  cli: Cli,
  ids: readonly string[],
  { format, progress, isShared }: { format: Format; progress: Progress | undefined; isShared: boolean },
): Reporter {
  const quiet = { say: (text: string) => say(cli, text), end: () => {} }
  if (progress === undefined) return quiet
  if (format === 'ndjson') return { ...quiet, onEvent: event => printJson(cli, event) }
  if (format !== 'table' && format !== 'wide') return quiet
  const to = cli[progress]
  const isLive = to.isTTY && cli.env.TERM !== 'dumb' && !isShared
  return isLive ? liveReporter(cli, ids, to, progress === 'stdout') : { ...quiet, ...plainReporter(to, ids) }
}

const TOLD = ['task.step', 'task.status', 'task.push']

/** A line for each step, from the beginning of the waiting. */
function plainReporter(to: NodeJS.WriteStream, ids: readonly string[]): Pick<Reporter, 'onTask' | 'onEvent'> {
  const created = new Map<string, string>()
  let waitingFor: string | null = null
  const write = (text: string) => void to.write(`${sanitize(text)}\n`)
  return {
    onTask(task) {
      created.set(task.id, task.createdAt)
      if (task.waitingFor === waitingFor || isOver(task)) return
      waitingFor = task.waitingFor
      if (waitingFor && task.step === 'node_selection') write(`         waiting for ${waitingFor}`)
    },
    onEvent(event) {
      if (!TOLD.includes(event.type)) return
      const startedAt = created.get(event.taskId ?? '') ?? event.at
      write(`${ids.length > 1 ? `${event.taskId} ` : ''}${progressLine(event, startedAt)}`)
    },
  }
}

const TICK_MS = 1_000
/** Why a task waits changes without an event: as its place in the queue does. */
const WHY_TICKS = 5
const TASKS_MAX = 8

/**
 * On a terminal: finished steps as lines that stay, and below them where each task is now. `isTitled`: the tasks have
 * no line yet.
 */
export function liveReporter(cli: Cli, ids: readonly string[], to: NodeJS.WriteStream, isTitled: boolean): Reporter {
  const { clock } = realWorld()
  const ending = new AbortController()
  const lines = liveLines(to, paintOf(cli, to))
  const tasks = new Map<string, TaskJson>()
  const reasons = new Map<string, string>()
  const before = (id: string | null) => (ids.length > 1 ? `${id?.slice(0, 6)}  ` : '')

  function draw(): void {
    const live = ids.flatMap(id => tasks.get(id) ?? []).filter(task => !isSettled(task))
    const shown = live.slice(0, TASKS_MAX).map(task => {
      const reason = reasons.get(`${task.id} ${task.step}`) ?? ''
      return `${before(task.id)}${nowText(task, reason, clock.now())}`
    })
    const more = live.length - shown.length
    if (!ending.signal.aborted) lines.show(more > 0 ? [...shown, `and ${more} more`] : shown)
  }

  async function askWhy(): Promise<void> {
    const live = [...tasks.values()].filter(task => !isSettled(task)).slice(0, TASKS_MAX)
    for (const { id } of live) {
      const path = `/tasks/${id}/why`
      // A daemon that is away has its own line.
      const why = await cli
        .client()
        .call<WhyJson>({ path, signal: ending.signal })
        .catch(() => null)
      if (why) reasons.set(`${id} ${why.step}`, [reasonText(why.sentence), why.estimate].filter(Boolean).join('; '))
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
      const isFirst = tasks.size === 0
      if (isTitled && !tasks.has(task.id)) lines.print(`${task.id}  ${oneLine(task.title)}`)
      tasks.set(task.id, task)
      draw()
      if (isFirst) void tick()
    },
    onEvent(event) {
      const task = tasks.get(event.taskId ?? '')
      if (task) tasks.set(task.id, moved(task, event))
      const text = pastText(event, task)
      draw()
      if (text !== null) lines.print(`${before(event.taskId)}${text}`)
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

const column = (symbol: string, word: string, time: string) => `${symbol} ${word.padEnd(19)} ${time.padStart(7)}`

/** `● running   2m10s  waits for the agent to finish; running usually takes 4m`. */
function nowText(task: TaskJson, reason: string, now: number): string {
  const { status, step, stepEnteredAt, waitingFor } = task
  if (isOver(task)) return '● push'
  const seconds = stepEnteredAt === null ? 0 : Math.floor((now - Date.parse(stepEnteredAt)) / 1_000)
  const why = reason || (waitingFor ? `waits for ${waitingFor}` : '')
  const isParked = status === 'parked'
  const word = isParked ? 'parked' : (step ?? status)
  return `${column(isParked ? '=' : '●', word, formatDurationShort(seconds * 1_000))}  ${oneLine(why)}`
}

/** A step that was left, or an unexpected turn; null for what other lines show, and for earlier attempts. */
function pastText(event: EventJson, task: TaskJson | undefined): string | null {
  const { type, attempt, data } = event
  if (task && attempt !== null && attempt < task.attempt) return null
  const { from, to, ms, reason } = data
  if (type === 'task.step') return from ? column('✓', String(from), typeof ms === 'number' ? took(ms) : '') : null
  if (type === 'task.push') return `· ${eventText(event)}`
  if (type !== 'task.status') return null
  const isBack = from === 'parked' || (to === 'queued' && Boolean(from))
  const isBad = to === 'failed' || to === 'cancelled'
  return isBack || isBad || to === 'parked' ? `${isBad ? '✗' : '·'} ${oneLine(`${to}: ${reason ?? ''}`)}` : null
}
