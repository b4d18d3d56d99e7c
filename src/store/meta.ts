/** Small facts about the installation as a whole. */
import type { Sql } from './sql.ts'

export function readMeta(sql: Sql, key: string): string | undefined {
  const row = sql.one('select value from meta where key = ?', key)
  return row && String(row.value)
}

export function writeMeta(sql: Sql, key: string, value: string): void {
  sql.run(
    'insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value',
    key,
    value,
  )
}

const RESTORED = 'restored'

/** The database is a copy from an earlier time: what was done since is not in it. */
export function markRestored(sql: Sql): void {
  writeMeta(sql, RESTORED, '1')
}

export function isRestored(sql: Sql): boolean {
  return readMeta(sql, RESTORED) === '1'
}

export function clearRestored(sql: Sql): void {
  writeMeta(sql, RESTORED, '0')
}
