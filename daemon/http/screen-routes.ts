/** What a screen shows: everything once, and later the rows that somebody looks at. */
import { Hono } from 'hono'
import type { ScreenRowJson, ScreenTaskJson, SnapshotJson } from '../../src/protocol/control.ts'
import type { ReadTask } from '../../src/store/attempts.ts'
import { readNewestAttempt } from '../../src/store/attempts.ts'
import { lastSeq } from '../../src/store/journal.ts'
import { readNodes } from '../../src/store/nodes.ts'
import { slotsInUse } from '../../src/store/slots.ts'
import type { Sql } from '../../src/store/sql.ts'
import { isTerminal } from '../../src/task.ts'
import type { RunningEngine } from '../build-engine.ts'
import { recentTasks } from '../recent-tasks.ts'
import { nodeJson } from '../view/event-json.ts'
import { taskJson } from '../view/task-json.ts'
import { why } from '../why.ts'

/** More rows than any screen has. */
const ROWS_MAX = 200

export function screenRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()

  /** Recent tasks and nodes, and the event behind which to follow them. */
  app.get('/snapshot', c => {
    const used = slotsInUse(store.sql)
    const snapshot: SnapshotJson = {
      seq: lastSeq(store.sql),
      tasks: recentTasks(engine).map(task => withoutPrompt(store.sql, task)),
      nodes: readNodes(store.sql, false).map(node => nodeJson(node, used)),
    }
    return c.json(snapshot)
  })

  /** The named tasks as they are now, each with the sentence of `why` while it is not over; those that are gone are not. */
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
  return app
}

/** A prompt may have half a megabyte, and a screen of ten thousand tasks shows none of them. */
function withoutPrompt(sql: Sql, task: ReadTask): ScreenTaskJson {
  const { prompt: _, ...rest } = taskJson(sql, task)
  return rest
}
