/** A state folder that holds many ended tasks, as months of work leave them. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { MIGRATIONS } from '../../../src/store/sqlite/migrations.ts'
import { openSql, type Sql } from '../../../src/store/sqlite/sql.ts'
import { insertAttempt } from '../../../src/store/tables/attempts.ts'
import { insertTask } from '../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../builders.ts'

const MINUTE_MS = 60_000

/**
 * Writes `count` ended tasks, `kept-1` (the oldest) to `kept-COUNT`: one ended each minute, the last at `now`; every other one failed.
 * The daemon must not run yet.
 */
export function layDownKeptTasks(stateDir: string, count: number, now: number): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const sql = openSql(path.join(stateDir, 'tdf.db'))
  try {
    sql.script(`${MIGRATIONS.join(';')}; pragma user_version = ${MIGRATIONS.length}`)
    multiply(sql, count, now)
  } finally {
    sql.close()
  }
}

/** The same in a database that is open. */
export function multiply(sql: Sql, count: number, now: number): void {
  const spec = aSpec({ title: 'write the release notes', prompt: 'write the release notes '.repeat(20) })
  const facts = { session: { status: 'exited', exitCode: 0, signal: null, resumeRef: null }, note: 'x'.repeat(500) }
  insertTask(sql, { id: 'kept-0', spec, idempotencyKey: null, idempotencyHash: null, createdAt: now })
  // What a fact is called does not matter to a list.
  insertAttempt(sql, { ...aTask({ id: 'kept-0', spec }), facts: facts as never })
  const isFailed = 'case when substr(task_id, 6) % 2 = 0 then'
  const ended = `status = ${isFailed} 'failed' else 'completed' end, verdict = ${isFailed} 'agent_error' else 'unverified' end`
  const copied = (table: string, values: Record<string, string>) => {
    const columns = sql.all(`select name from pragma_table_info('${table}')`).map(({ name }) => String(name))
    const selected = columns.map(name => values[name] ?? name).join(', ')
    const query = `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?)
      insert into ${table} (${columns.join(', ')}) select ${selected} from ${table}, numbers`
    sql.run(query, count)
  }
  sql.script('begin')
  const at = `${now} - (${count} - n) * ${MINUTE_MS}`
  copied('tasks', { id: "'kept-' || n", number: 'n + 1', created_at: at })
  copied('attempts', {
    ...{ task_id: "'kept-' || n", live: '0', step: 'null', wake_at: 'null' },
    ...{ created_at: at, started_at: at, completed_at: at, updated_at: at },
  })
  sql.script(`update attempts set ${ended} where live = 0;
    delete from attempts where task_id = 'kept-0'; delete from tasks where id = 'kept-0'; commit`)
}
