/** The state of a tdf of an older schema, with a task at every step; kept as SQL so that it can be read. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { STEPS, type Step } from '../../../src/core/task.ts'
import { MIGRATIONS } from '../../../src/store/sqlite/migrations.ts'
import { openDatabase } from '../../../src/store/sqlite/open.ts'
import { openSql, type Sql } from '../../../src/store/sqlite/sql.ts'
import { insertAttempt } from '../../../src/store/tables/attempts.ts'
import { insertTask } from '../../../src/store/tables/tasks.ts'
import { aPlacedTask, aTask } from '../builders.ts'

export const OLD_STEP = 'a_step_of_another_version'

/** Writes such a database as SQL. The rows are those that the present store writes: only a released one is kept. */
export function dumpState(schema: number): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-old-'))
  try {
    const sql = openDatabase(dir, MIGRATIONS.slice(0, schema))
    for (const step of STEPS) add(sql, step)
    add(sql, OLD_STEP as Step)
    sql.run("insert into meta (key, value) values ('callback_port', '0')")
    const text = dump(sql)
    sql.close()
    return text
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function add(sql: Sql, step: Step): void {
  const id = `at-${step.replaceAll('_', '-')}`
  const isQueued = ['node_selection', 'node_provisioning', 'node_agent_ready'].includes(step)
  const task = isQueued
    ? aTask({ id, step })
    : aPlacedTask({ id, step, workspaceId: `${id}-1-1`, sessionId: `${id}-1-1-s1` })
  insertTask(sql, { id, spec: task.spec, idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
  insertAttempt(sql, task)
}

function dump(sql: Sql): string {
  const tables = sql.all(
    "select name, sql from sqlite_master where sql is not null and name not like 'sqlite_%' order by rowid",
  )
  const rows = tables
    .filter(({ sql: text }) => String(text).startsWith('CREATE TABLE'))
    .flatMap(({ name }) =>
      sql
        .all(`select * from ${name}`)
        .map(row => `insert into ${name} values (${Object.values(row).map(literal).join(', ')});`),
    )
  return `${[...tables.map(({ sql: text }) => `${text};`), ...rows].join('\n')}\n`
}

const literal = (value: unknown) =>
  value === null ? 'null' : typeof value === 'number' ? String(value) : `'${String(value).replaceAll("'", "''")}'`

/** A state folder with that database in it. */
export function layDown(stateDir: string, text: string, schema: number): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const sql = openSql(path.join(stateDir, 'tdf.db'))
  sql.script(`${text}; pragma user_version = ${schema}`)
  sql.close()
}
