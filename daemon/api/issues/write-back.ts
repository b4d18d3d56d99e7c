/**
 * What a tracker is told of the task that an issue has become: that it has begun, and how it ended. A comment carries a mark by which it
 * is found again, labels are what they are: doing it again changes nothing.
 */
import { asTdfError } from '../../../src/core/errors.ts'
import { isPullOver } from '../../../src/core/task.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type IssueRow, readIssue, writeIssue } from '../../../src/store/intake/issues.ts'
import { issueComments } from '../../../src/text/progress/issues.ts'
import { taskJson } from '../tasks/json.ts'
import { type Scene, taskOf } from './scene.ts'

const RUNNING = 'tdf:running'
const DONE = 'tdf:done'
const NEEDS_YOU = 'tdf:needs-you'

/** All that is owed of these rows. Throws FORGE_UNAVAILABLE; what the tracker refuses for good is left. */
export async function writeBack(scene: Scene, rows: readonly IssueRow[]): Promise<void> {
  const { engine, signal } = scene
  for (const row of rows) {
    if (row.owed === null) continue
    const task = taskOf(engine, row)
    if (!task) {
      await settle(scene, row, null)
      continue
    }
    const shown = taskJson(engine.store.sql, task)
    try {
      if (row.owed === 'start') await tell(scene, row, shown, 'start')
      const isEnd = isPullOver(shown)
      if (isEnd) await tell(scene, row, shown, 'end')
      signal.throwIfAborted()
      await settle(scene, row, isEnd ? null : 'end')
    } catch (thrown) {
      const error = asTdfError(thrown)
      if (error.class !== 'permanent') throw error
      engine.log.warn({ source: row.source, issue: row.issue, err: error.message }, 'a tracker refuses to be told')
      await settle(scene, row, null, error.message)
    }
  }
}

async function tell({ tracker, source }: Scene, row: IssueRow, task: TaskJson, what: 'start' | 'end'): Promise<void> {
  const { id, status } = task
  const mark = issueComments.mark(id, row.attempt ?? 1, what)
  if (source.writes.includes('comments')) {
    const text = what === 'start' ? issueComments.start(id, mark) : issueComments.end(task, mark)
    await tracker.comment(row.issue, text, mark)
  }
  if (!source.writes.includes('labels')) return
  if (what === 'start') return tracker.label(row.issue, [RUNNING], [DONE, NEEDS_YOU])
  const end = status === 'completed' ? [DONE] : status === 'failed' ? [NEEDS_YOU] : []
  await tracker.label(
    row.issue,
    end,
    [RUNNING, DONE, NEEDS_YOU].filter(name => !end.includes(name)),
  )
}

async function settle(
  { engine: { store } }: Scene,
  row: IssueRow,
  owed: IssueRow['owed'],
  why: string | null = null,
): Promise<void> {
  if (owed === row.owed && why === null) return
  await store.commit(() => {
    const seen = readIssue(store.sql, row)
    if (seen?.task !== row.task || seen.attempt !== row.attempt) return
    writeIssue(store.sql, { ...seen, owed, ...(why === null ? {} : { reason: why }) })
  })
}
