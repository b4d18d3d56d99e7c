/** What is remembered of the window of a budget: whether its users were warned, whether it was raised, and of which limit they know that it is used. */
import type { Sql } from '../sqlite/sql.ts'

export interface WindowMarks {
  isWarned: boolean
  isGranted: boolean
  /** How often its users were told that it is used: at its limit, and at the raised one. */
  used: number
}

export function readMarks(sql: Sql, name: string, startsAt: number): WindowMarks {
  const row = sql.one(
    'select warned, granted, used from budget_windows where name = ? and starts_at = ?',
    name,
    startsAt,
  )
  return { isWarned: row?.warned === 1, isGranted: row?.granted === 1, used: Number(row?.used ?? 0) }
}

/** Inside a write. Those of windows that are long over go. */
export function mark(sql: Sql, name: string, startsAt: number, what: 'warned' | 'granted' | 'used', value = 1): void {
  const query = `insert into budget_windows (name, starts_at, ${what}) values (?, ?, ?)
    on conflict (name, starts_at) do update set ${what} = excluded.${what}`
  sql.run(query, name, startsAt, value)
  sql.run('delete from budget_windows where starts_at < ?', startsAt - KEPT_MS)
}

/** Two of the longest windows. */
const KEPT_MS = 62 * 86_400_000

/** Attempts that rest until a budget of several tasks has something left. */
export function countPaused(sql: Sql): number {
  const query = `select count(*) as count from attempts
    where live = 1 and status = 'parked' and json_extract(facts, '$.paused') = 'window'`
  return Number(sql.one(query)?.count)
}
