/** Pushes: one row a task, the last that was asked for. It outlives the daemon until it has ended one way or the other. */
import { fields, objectOf, readable } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface Push {
  taskId: string
  attempt: number
  remote: string
  branch: string
  commitId: string
  wantsPr: boolean
  state: 'pending' | 'pushed' | 'failed'
  /** What we know to have put on the branch: nothing else of it is ever replaced. */
  pushedCommit: string | null
  prUrl: string | null
  tries: number
  dueAt: number
  /** A try that fails after this time is the last. */
  until: number
  error: string | null
  updatedAt: number
}

const TABLE = fields(
  'taskId attempt remote branch commitId state pushedCommit prUrl tries dueAt until error updatedAt',
  '',
  'wantsPr',
)

const read = (row: Row) => objectOf<Push>(row, TABLE)

export function readPush(sql: Sql, taskId: string): Push | undefined {
  const row = sql.one('select * from pushes where task_id = ?', taskId)
  return row && read(row)
}

export function duePushes(sql: Sql, now: number, limit: number): Push[] {
  const query = `select * from pushes where state = 'pending' and due_at <= ? order by due_at limit ?`
  return readable(sql.all(query, now, limit), read)
}

/** Asks for a push, in place of the one before. What is known about the same branch is kept. */
export function askForPush(
  sql: Sql,
  ask: Pick<Push, 'taskId' | 'attempt' | 'remote' | 'branch' | 'commitId' | 'wantsPr' | 'until'>,
  now: number,
): void {
  const before = readPush(sql, ask.taskId)
  const isSame = before?.remote === ask.remote && before.branch === ask.branch
  sql.run(
    `insert or replace into pushes
       (task_id, attempt, remote, branch, commit_id, wants_pr, state, pushed_commit, pr_url, due_at, until, updated_at)
     values (?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)`,
    ...[ask.taskId, ask.attempt, ask.remote, ask.branch, ask.commitId, ask.wantsPr ? 1 : 0],
    ...[isSame ? before.pushedCommit : null, isSame ? before.prUrl : null, now, ask.until, now],
  )
}

/** False when another push was asked for meanwhile: then nothing was changed. */
export function changePush(
  sql: Sql,
  seen: Push,
  change: Partial<Pick<Push, 'state' | 'pushedCommit' | 'prUrl' | 'tries' | 'dueAt' | 'error'>>,
  now: number,
): boolean {
  const next = { ...seen, ...change }
  return (
    sql.run(
      `update pushes set state = ?, pushed_commit = ?, pr_url = ?, tries = ?, due_at = ?, error = ?, updated_at = ?
       where task_id = ? and attempt = ? and remote = ? and branch = ? and commit_id = ? and until = ?`,
      ...[next.state, next.pushedCommit, next.prUrl, next.tries, next.dueAt, next.error, now],
      ...[seen.taskId, seen.attempt, seen.remote, seen.branch, seen.commitId, seen.until],
    ) === 1
  )
}
