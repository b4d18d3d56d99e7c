/** Which callback tokens were issued, by hash. They stay known until the task is removed. */
import type { Sql } from './sql.ts'

export interface Token {
  scope: 'workspace' | 'node'
  /** The workspace's id or the node's name. */
  subject: string
  taskId: string | null
  attempt: number | null
}

export function issueToken(sql: Sql, hash: string, token: Token): void {
  sql.run(
    'insert into tokens (hash, scope, subject, task_id, attempt) values (?, ?, ?, ?, ?) on conflict do nothing',
    hash,
    token.scope,
    token.subject,
    token.taskId,
    token.attempt,
  )
}

export function readToken(sql: Sql, hash: string): Token | undefined {
  const row = sql.one('select scope, subject, task_id, attempt from tokens where hash = ?', hash)
  return (
    row && {
      scope: row.scope === 'node' ? 'node' : 'workspace',
      subject: String(row.subject),
      taskId: row.task_id === null ? null : String(row.task_id),
      attempt: row.attempt === null ? null : Number(row.attempt),
    }
  )
}
