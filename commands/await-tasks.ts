/**
 * Waits until tasks are where somebody wants them. The journal's stream says when to look; what is decided is decided
 * by the task itself, read again.
 */
import { TdfError } from '../src/errors.ts'
import { streamEvents } from '../src/event-stream.ts'
import type { EventJson, TaskJson } from '../src/protocol/control.ts'
import { realWorld } from '../src/world.ts'
import type { Cli } from './cli.ts'
import { isSettled, needsInput } from './is-over.ts'

export interface Wanted {
  /** Full ids. */
  ids: readonly string[]
  isThere(task: TaskJson): boolean
  /** One of them is enough. */
  isAny?: boolean
  /** Also when they are over: `isThere` alone decides. */
  keepsOn?: boolean
  timeoutMs: number | null
  signal: AbortSignal
  /** Told of everything that happened to the tasks, also before the waiting began; of each event once. */
  onEvent?(event: EventJson): unknown
  onTask?(task: TaskJson): void
  onAway?(): void
}

/**
 * The tasks that are there, in the order of `ids`, or null when the signal ended the waiting. Throws WAIT_TIMEOUT; a task
 * that needs a person (`awaiting_followup`) or is over counts as there.
 */
export async function awaitTasks(cli: Cli, wanted: Wanted): Promise<TaskJson[] | null> {
  const { ids, timeoutMs } = wanted
  const seen = new Map<string, TaskJson>()
  const ending = new AbortController()
  const signal = AbortSignal.any([wanted.signal, ending.signal])
  let isLate = false
  const late = () => {
    isLate = true
    ending.abort()
  }
  const cancel = timeoutMs === null ? () => {} : realWorld().clock.timer(timeoutMs, late)

  const isThere = (task: TaskJson) => wanted.isThere(task) || (!wanted.keepsOn && (isSettled(task) || needsInput(task)))
  const told = new Map<string, number>()
  const tell = (event: EventJson) => {
    const { taskId, seq } = event
    if (taskId === null || seq <= (told.get(taskId) ?? 0)) return
    told.set(taskId, seq)
    wanted.onEvent?.(event)
  }
  const look = async (id: string) => {
    const task = await cli.client().call<TaskJson>({ path: `/tasks/${id}`, signal })
    seen.set(id, task)
    wanted.onTask?.(task)
  }
  const there = () => ids.flatMap(id => seen.get(id) ?? []).filter(isThere)
  const left = () => {
    const done = new Set(there().map(({ id }) => id))
    return ids.filter(id => !done.has(id))
  }

  try {
    for await (const streamed of streamEvents(cli.client(), { after: 'now', signal })) {
      if (streamed.kind === 'look') {
        for (const id of left()) {
          await look(id)
          if (wanted.onEvent)
            (await cli.client().call<EventJson[]>({ path: `/tasks/${id}/events`, signal })).forEach(tell)
        }
      }
      if (streamed.kind === 'away') wanted.onAway?.()
      if (streamed.kind === 'event') {
        const { event } = streamed
        if (event.taskId === null || !ids.includes(event.taskId)) continue
        tell(event)
        if (left().includes(event.taskId)) await look(event.taskId)
      }
      const found = there()
      if (found.length === ids.length || (wanted.isAny && found.length > 0)) return found
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

function tooLong(left: readonly string[], seen: ReadonlyMap<string, TaskJson>): TdfError {
  const id = left[0] ?? ''
  const task = seen.get(id)
  const where = task ? `is ${task.status}${task.step ? `, at ${task.step}` : ''}` : 'was not seen'
  const more = left.length > 1 ? ` (and ${left.length - 1} more)` : ''
  return new TdfError('WAIT_TIMEOUT', `the waiting is over, the task goes on: ${id} ${where}${more}`, {
    hint: `tdf wait ${left.join(' ')}`,
  })
}
