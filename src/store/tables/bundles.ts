/** Uploaded and fetched repositories, by the hash of the bundle, and by the commit and ref that it holds. */
import type { Row, Sql } from '../sqlite/sql.ts'

export interface BundleRow {
  sha256: string
  bytes: number
  commit: string
  ref: string
  /** The url of the repository; null in rows of older versions. */
  source: string | null
}

export function addBundle(sql: Sql, bundle: BundleRow, now: number): void {
  const { sha256, bytes, commit, ref, source } = bundle
  const query = `insert into bundles (sha256, bytes, commit_id, ref, source, created_at, used_at) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (sha256) do update set used_at = excluded.used_at, source = coalesce(excluded.source, source)`
  sql.run(query, sha256, bytes, commit, ref, source, now, now)
}

export function readBundle(sql: Sql, sha256: string): BundleRow | undefined {
  const row = sql.one('select * from bundles where sha256 = ?', sha256)
  return row && toBundle(row)
}

/** The newest bundle of a commit under a ref. */
export function findBundle(sql: Sql, commit: string, ref: string): BundleRow | undefined {
  const query = 'select * from bundles where commit_id = ? and ref = ? order by created_at desc limit 1'
  const row = sql.one(query, commit, ref)
  return row && toBundle(row)
}

/** The bundle of a repository that came last. */
export function newestBundle(sql: Sql, source: string): BundleRow | undefined {
  const row = sql.one('select * from bundles where source = ? order by created_at desc limit 1', source)
  return row && toBundle(row)
}

/** Where the repositories of an upload are, as the tasks that were made from it say. Looks through all. */
export function sourcesOfBundle(sql: Sql, sha256: string): string[] {
  const query = `select distinct json_extract(spec, '$.repo.url') as url from tasks where json_extract(spec, '$.repo.sha256') = ?`
  return sql.all(query, sha256).map(row => String(row.url))
}

function toBundle(row: Row): BundleRow {
  const { sha256, bytes, commit_id: commit, ref, source } = row
  return {
    sha256: String(sha256),
    bytes: Number(bytes),
    commit: String(commit),
    ref: String(ref),
    source: source === null ? null : String(source),
  }
}

/** Uploads that were not used since `before` and that no live attempt is made from. */
export function staleBundles(sql: Sql, before: number): BundleRow[] {
  const query = `select * from bundles b where used_at < ? and not exists (
    select 1 from attempts a join tasks t on t.id = a.task_id
    where a.live = 1 and b.sha256 in
      (json_extract(t.spec, '$.repo.sha256'), json_extract(a.facts, '$.source.sha256'))) limit 100`
  return sql.all(query, before).map(toBundle)
}

export function forgetBundle(sql: Sql, sha256: string): void {
  sql.run('delete from bundles where sha256 = ?', sha256)
}
