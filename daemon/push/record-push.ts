/** How a push stands, on the record: those who wait for it look again. */
import { readPush } from '../../src/store/pushes.ts'
import type { Engine } from '../deps.ts'
import { record } from '../record.ts'

/** Inside a write. */
export function recordPush(engine: Pick<Engine, 'store' | 'watchers'>, taskId: string, now: number): void {
  const push = readPush(engine.store.sql, taskId)
  if (!push) return
  const { attempt, state, remote, branch, commitId: commit, prUrl, tries, error } = push
  record(
    engine,
    { type: 'task.push', taskId, attempt, data: { state, remote, branch, commit, prUrl, tries, error } },
    now,
  )
}
