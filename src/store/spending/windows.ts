/** What is remembered of the window of a budget: whether its users were warned, and whether it was raised. */
import type { Sql } from '../sqlite/sql.ts'

export interface WindowMarks {
  isWarned: boolean
  isGranted: boolean
}

export function readMarks(sql: Sql, name: string, startsAt: number): WindowMarks {
  const row = sql.one('select warned, granted from budget_windows where name = ? and starts_at = ?', name, startsAt)
  return { isWarned: row?.warned === 1, isGranted: row?.granted === 1 }
}

/** Inside a write. Those of windows that are long over go. */
export function mark(sql: Sql, name: string, startsAt: number, what: 'warned' | 'granted'): void {
  const query = `insert into budget_windows (name, starts_at, ${what}) values (?, ?, 1)
    on conflict (name, starts_at) do update set ${what} = 1`
  sql.run(query, name, startsAt)
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
