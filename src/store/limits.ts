/** Usage limits: until when a credential has nothing left. One row for each, whoever met the limit. */
import type { Sql } from './sql.ts'

export function raiseLimit(sql: Sql, credential: string | null, until: number, now: number): void {
  if (credential === null) return
  sql.run(
    `insert into limits (credential, until, at) values (?, ?, ?)
     on conflict (credential) do update set until = max(until, excluded.until), at = excluded.at`,
    credential,
    until,
    now,
  )
}

export function limitOf(sql: Sql, credential: string | null): number | null {
  const row = credential === null ? undefined : sql.one('select until from limits where credential = ?', credential)
  return row ? Number(row.until) : null
}

/** Credential → until, of those that still hold. */
export function limitsAt(sql: Sql, now: number): Map<string, number> {
  const rows = sql.all('select credential, until from limits where until > ?', now)
  return new Map(rows.map(row => [String(row.credential), Number(row.until)]))
}
