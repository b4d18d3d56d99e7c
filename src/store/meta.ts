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
