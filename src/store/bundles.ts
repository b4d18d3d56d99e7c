/** Uploaded repositories, by the hash of the bundle and by the commit that it holds. */
import type { Sql } from './sql.ts'

export interface BundleRow {
  sha256: string
  bytes: number
  commit: string
}

export function addBundle(sql: Sql, bundle: BundleRow, now: number): void {
  sql.run(
    `insert into bundles (sha256, bytes, commit_id, created_at, used_at) values (?, ?, ?, ?, ?)
     on conflict (sha256) do update set used_at = excluded.used_at`,
    bundle.sha256,
    bundle.bytes,
    bundle.commit,
    now,
    now,
  )
}

export function findBundle(sql: Sql, by: { sha256: string } | { commit: string }): BundleRow | undefined {
  const [column, value] = 'sha256' in by ? ['sha256', by.sha256] : ['commit_id', by.commit]
  const row = sql.one(`select * from bundles where ${column} = ? order by created_at desc limit 1`, value)
  return row && { sha256: String(row.sha256), bytes: Number(row.bytes), commit: String(row.commit_id) }
}
