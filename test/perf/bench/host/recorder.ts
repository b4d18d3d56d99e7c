/** Every statement that a process gives to libsql, written down so that `rows/replay.ts` can run them without the engine. */
import { renameSync, writeFileSync } from 'node:fs'
import Database from 'libsql'

/** What was called, with which statement, and what was bound. */
export type Recorded = ['exec' | 'run' | 'get' | 'all', string, unknown[]]

interface Callable {
  exec(sql: string): unknown
  prepare(sql: string): Record<'run' | 'get' | 'all', (values: unknown[]) => unknown>
}

const RECORDED_MAX = 500_000

/** To be called before a database is opened; answers how to write the file. */
export function recordStatements(file: string): () => void {
  const lines: string[] = []
  const note = (...entry: Recorded) => {
    if (lines.length < RECORDED_MAX) lines.push(JSON.stringify(entry))
  }
  // As the store uses it: one array of values for each call.
  const database = Database.prototype as unknown as Callable
  const { exec, prepare } = database
  database.exec = function (sql) {
    note('exec', sql, [])
    return exec.call(this, sql)
  }
  database.prepare = function (sql) {
    const statement = prepare.call(this, sql)
    for (const kind of ['run', 'get', 'all'] as const) {
      const call = statement[kind]
      statement[kind] = values => {
        note(kind, sql, [...values])
        return call.call(statement, values)
      }
    }
    return statement
  }
  return () => {
    writeFileSync(`${file}.part`, lines.join('\n'))
    renameSync(`${file}.part`, file)
  }
}
