/** The journal, as a page or as a stream that goes on where it was left; and the failures on record. */
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { TdfError } from '../../../src/core/errors.ts'
import { isTerminal } from '../../../src/core/task.ts'
import { type ErrorRowJson, NEXT_PAGE } from '../../../src/protocol/control.ts'
import type { GroupJson, ScreenRowJson, ScreenTaskJson, SnapshotJson, SpentJson } from '../../../src/protocol/screen.ts'
import { costOfGroup, endedMembers, readGroup } from '../../../src/store/groups/groups.ts'
import { spentSince } from '../../../src/store/spending/spending.ts'
import { countPaused } from '../../../src/store/spending/windows.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import type { Store } from '../../../src/store/store.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { firstSeq, type JournalEvent, readEvents } from '../../../src/store/tables/journal.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { countByStatus } from '../../../src/store/tables/tasks.ts'
import type { RunningEngine } from '../../build.ts'
import { nearestBudget } from '../../reporting/budgets.ts'
import type { Control } from '../control-parts.ts'
import { numberOf } from '../guard.ts'
import { findTask, recentTasks } from '../tasks/find.ts'
import { eventJson, figuresOf, iso, nodeJson, taskJson } from '../tasks/json.ts'
import { why } from '../tasks/why.ts'

const PAGE_MAX = 1_000
const STREAMS_MAX = 32
/** How far a slow reader may be behind before it has to start over. */
const BEHIND_MAX = 1_000
const HEARTBEAT_MS = 15_000
const ERRORS_MAX = 1_000

export function eventRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store } = engine
  const app = new Hono()

  app.get('/events', c => {
    const from = c.req.header('last-event-id') ?? c.req.query('after') ?? '0'
    const after = from === 'now' ? store.durableSeq() : Number(from)
    if (!Number.isSafeInteger(after) || after < 0) {
      throw new TdfError('BAD_REQUEST', 'after: it must be a number, or now', { field: 'after' })
    }
    if (c.req.header('accept')?.includes('text/event-stream')) return stream(engine, c, after)
    return c.json(durableEvents(store, after).map(eventJson))
  })

  app.get('/errors', async c => {
    // Failures that cannot be carried over now are shown later.
    await parts.errors.flush().catch(() => {})
    const reference = c.req.query('task')
    const taskId = reference === undefined ? {} : { taskId: findTask(store.sql, reference).id }
    const before = c.req.query('before')
    const place = before === undefined ? taskId : { ...taskId, before }
    const limit = Math.min(numberOf(c, 'limit', 'limit').limit ?? ERRORS_MAX, ERRORS_MAX)
    const found = parts.observability.errors({ ...place, limit })
    if (found.length === limit) c.header(NEXT_PAGE, found.at(-1)?.id ?? '')
    return c.json(before === undefined ? [...outageRow(store), ...found] : found)
  })
  return app
}

/** A full disk keeps its own row from being written. */
function outageRow({ outage }: Pick<RunningEngine['store'], 'outage'>): ErrorRowJson[] {
  const now = outage()
  if (now === null || now.until !== null) return []
  const { code, message } = now.error
  const place = { taskId: null, step: null, context: {} }
  return [{ id: `outage-${now.since}`, at: iso(now.since), level: 'error', source: 'store', code, message, ...place }]
}

/** A page of events. The number of one that is not durable may still become that of another. */
function durableEvents({ sql, durableSeq }: Store, after: number): JournalEvent[] {
  const last = durableSeq()
  return readEvents(sql, { after, limit: PAGE_MAX }).filter(({ seq }) => seq <= last)
}

function stream(engine: RunningEngine, c: Context, after: number): Response {
  const { store, watchers, world } = engine
  if (watchers.count() >= STREAMS_MAX) {
    throw new TdfError('TOO_MANY_REQUESTS', `${STREAMS_MAX} streams are open`, { retryAfterMs: 5_000 })
  }
  return streamSSE(c, async sse => {
    let waiting: JournalEvent[] = []
    let isBehind = false
    let wake = () => {}
    const stopListening = watchers.add(event => {
      if (waiting.length < BEHIND_MAX) waiting.push(event)
      else isBehind = true
      wake()
    })
    sse.onAbort(() => {
      stopListening()
      wake()
    })
    try {
      let sent = after
      if (after > 0 && after < firstSeq(store.sql) - 1) isBehind = true
      const send = async (events: readonly JournalEvent[]) => {
        const fresh = events.filter(event => event.seq > sent)
        sent = fresh.at(-1)?.seq ?? sent
        const text = fresh.map(
          event => `id: ${event.seq}\nevent: journal\ndata: ${JSON.stringify(eventJson(event))}\n\n`,
        )
        if (text.length > 0) await sse.write(text.join(''))
      }
      for (let page = durableEvents(store, sent); page.length > 0 && !sse.aborted; ) {
        await send(page)
        page = durableEvents(store, sent)
      }
      while (!sse.aborted) {
        if (isBehind) {
          isBehind = false
          waiting = []
          sent = store.durableSeq()
          await sse.write(`id: ${sent}\nevent: resync\ndata: {}\n\n`)
        }
        const batch = waiting
        waiting = []
        if (batch.length > 0) await send(batch)
        else {
          const cancel = await new Promise<() => void>(resolve => {
            const stop = world.clock.timer(HEARTBEAT_MS, () => {
              sse.write(': still here\n\n').catch(() => {})
              resolve(stop)
            })
            wake = () => resolve(stop)
          })
          cancel()
        }
      }
    } finally {
      stopListening()
    }
  })
}

/** More rows than any screen has. */
const ROWS_MAX = 200

/** What the dashboard shows: everything once, later the rows that are on the screen. */
export function screenRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()

  /** Recent tasks and nodes, and the event behind which to follow them. */
  app.get('/snapshot', c => {
    const figures = figuresOf(store.sql)
    const { tasks } = recentTasks(store)
    const snapshot: SnapshotJson = {
      seq: store.durableSeq(),
      tasks: tasks.map(task => withoutPrompt(store.sql, task)),
      others: othersThan(tasks, countByStatus(store.sql)),
      nodes: readNodes(store.sql, false).map(node => nodeJson(node, figures)),
    }
    return c.json(snapshot)
  })

  /**
   * The named tasks as they are now, each with the sentence of `why` while it is not over; those that are gone are
   * not.
   */
  app.get('/screen', c => {
    const ids = (c.req.queries('task') ?? []).slice(0, ROWS_MAX)
    const rows = ids.flatMap((id): ScreenRowJson[] => {
      const task = readNewestAttempt(store.sql, id)
      if (!task) return []
      const sentence = isTerminal(task.status) ? null : why(engine, task).sentence
      return [{ task: withoutPrompt(store.sql, task), why: sentence }]
    })
    return c.json(rows)
  })

  app.get('/groups', c => {
    const names = (c.req.queries('name') ?? []).slice(0, ROWS_MAX)
    const groups = names.flatMap((name): GroupJson[] => {
      const group = readGroup(store.sql, name)
      if (!group) return []
      return [{ ...group, ended: endedMembers(store.sql, name), costUsd: costOfGroup(store.sql, name) }]
    })
    return c.json(groups)
  })

  app.get('/spent', c => {
    const { since } = numberOf(c, 'since', 'since')
    if (since === undefined) throw new TdfError('BAD_REQUEST', 'since: it must be a time in ms', { field: 'since' })
    const { costUsd, machineCost } = spentSince(store.sql, since)
    const machineUsd = machineCost * engine.config.budgets.usdPerEur
    const spent: SpentJson = {
      since: iso(since),
      costUsd,
      machineUsd,
      budget: nearestBudget(engine, engine.world.clock.now()),
      resting: countPaused(store.sql),
    }
    return c.json(spent)
  })
  return app
}

/** What is left of the counts without the tasks of a list. */
function othersThan(tasks: readonly ReadTask[], counts: Readonly<Record<string, number>>): SnapshotJson['others'] {
  const others = { ...counts }
  for (const { status } of tasks) others[status] = (others[status] ?? 0) - 1
  return Object.fromEntries(Object.entries(others).filter(([, count]) => count > 0))
}

/** A prompt may have half a megabyte, and a screen of ten thousand tasks shows none of them. */
function withoutPrompt(sql: Sql, task: ReadTask): ScreenTaskJson {
  const { prompt: _, attempts, ...rest } = taskJson(sql, task)
  return { ...rest, attempts: attempts.map(({ prompt: _, ...attempt }) => attempt) }
}
