/** How a push stands, on the record: those who wait for it look again. */
import { readPush } from '../../src/store/pushes.ts'
import type { Engine } from '../deps.ts'

/** Inside a write. */
export function recordPush(engine: Pick<Engine, 'store'>, taskId: string, now: number): void {
  const push = readPush(engine.store.sql, taskId)
  if (!push) return
  const { attempt, state, remote, branch, commitId: commit, prUrl, tries, error } = push
  engine.store.append(
    { type: 'task.push', taskId, attempt, data: { state, remote, branch, commit, prUrl, tries, error } },
    now,
  )
}
