/** How a waiting command tells what happens: live on a terminal, a line for each step in a pipe, or an object. */
import { progressLine } from '../src/event-text.ts'
import type { EventJson, TaskJson } from '../src/protocol/control.ts'
import { sanitize } from '../src/sanitize.ts'
import { type Cli, printJson, say } from './cli.ts'
import type { Format } from './formats.ts'
import { isOver } from './is-over.ts'
import { liveTeller } from './live-progress.ts'

export interface Teller {
  onTask?(task: TaskJson): void
  onEvent?(event: EventJson): void
  /** A word in between. */
  say(text: string): void
  /** What follows is somebody else's. */
  end(): void
}

/** On stdout for who asked to watch; on stderr, as talk, for who asked for something else and waits. */
export type Progress = 'stdout' | 'stderr'

export function tellerOf(
  cli: Cli,
  ids: readonly string[],
  { format, progress, isShared }: { format: Format; progress: Progress | undefined; isShared: boolean },
): Teller {
  const quiet = { say: (text: string) => say(cli, text), end: () => {} }
  if (progress === undefined) return quiet
  if (format === 'ndjson') return { ...quiet, onEvent: event => printJson(cli, event) }
  if (format !== 'table' && format !== 'wide') return quiet
  const to = cli[progress]
  const isLive = to.isTTY && cli.env.TERM !== 'dumb' && !isShared
  return isLive ? liveTeller(cli, ids, to, progress === 'stdout') : { ...quiet, ...plainTeller(to, ids) }
}

const TOLD = ['task.step', 'task.status', 'task.push']

/** A line for each step, from the beginning of the waiting. */
function plainTeller(to: NodeJS.WriteStream, ids: readonly string[]): Pick<Teller, 'onTask' | 'onEvent'> {
  const created = new Map<string, string>()
  let waitingFor: string | null = null
  const tell = (text: string) => void to.write(`${sanitize(text)}\n`)
  return {
    onTask(task) {
      created.set(task.id, task.createdAt)
      if (task.waitingFor === waitingFor || isOver(task)) return
      waitingFor = task.waitingFor
      if (waitingFor && task.step === 'node_selection') tell(`         waiting for ${waitingFor}`)
    },
    onEvent(event) {
      if (!TOLD.includes(event.type)) return
      const startedAt = created.get(event.taskId ?? '') ?? event.at
      tell(`${ids.length > 1 ? `${event.taskId} ` : ''}${progressLine(event, startedAt)}`)
    },
  }
}
