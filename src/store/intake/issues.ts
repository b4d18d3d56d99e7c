/**
 * Issue sources: how far each was read, and below that what became of each issue that carried the label. An issue keeps its row when
 * its task is removed: it is by the row that no labelling makes a second task.
 */
import { fields, insertion, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface SourceState {
  /** As the configuration calls it. */
  name: string
  /** What it was when it was read: another tracker or label under the same name is read anew. */
  identity: string
  paused: boolean
  /** What was read last of the tracker, by path, with its ETag. */
  cache: Record<string, { etag: string; value: unknown }> | null
  dueAt: number
  tries: number
  error: string | null
  /** When a look last went well, Unix ms. */
  lookedAt: number | null
  updatedAt: number
}

const SOURCE = fields('name identity dueAt tries error lookedAt updatedAt', 'cache', 'paused')
const SOURCE_INSERTION = insertion('sources', SOURCE).replace(/^insert/, 'insert or replace')

export function readSource(sql: Sql, name: string): SourceState | undefined {
  const row = sql.one('select * from sources where name = ?', name)
  return row && objectOf<SourceState>(row, SOURCE)
}

export function writeSource(sql: Sql, state: SourceState): void {
  sql.run(SOURCE_INSERTION, ...valuesOf(state, SOURCE))
}

/**
 * *waiting*: for its turn, or for what `reason` says; *taken*: by its task; *ignored*: `reason` says why; *gone*: it was closed, or
 * its label was taken away.
 */
export const ISSUE_STATES = ['waiting', 'taken', 'ignored', 'gone'] as const
export type IssueState = (typeof ISSUE_STATES)[number]

export interface IssueRow {
  source: string
  /** Of the source, in which `issue` is unique. */
  identity: string
  issue: string
  title: string
  url: string | null
  /** Of the listing in which its label was last looked at; null: it has to be looked at. */
  stamp: string | null
  /** Names the act of setting the label: the same one is never answered twice. */
  event: string
  labelledBy: string | null
  state: IssueState
  reason: string | null
  /** The task that it became last. */
  task: string | null
  attempt: number | null
  /** What the tracker is to be told next of that task; null: nothing. */
  owed: 'start' | 'end' | null
  /** When this labelling was seen first, Unix ms: the order of turns. */
  since: number
  updatedAt: number
}

const ISSUE = fields(
  'source identity issue title url stamp event labelledBy state reason task attempt owed since updatedAt',
)
const ISSUE_INSERTION = insertion('issues', ISSUE).replace(/^insert/, 'insert or replace')
const readIssueRow = (row: Row) => objectOf<IssueRow>(row, ISSUE)

/** Of a source, in the order of their turns. */
export function readIssues(sql: Sql, source: string, identity: string): IssueRow[] {
  const query = 'select * from issues where source = ? and identity = ? order by since, issue'
  return readable(sql.all(query, source, identity), readIssueRow)
}

export function readIssue(sql: Sql, { source, identity, issue }: IssueName): IssueRow | undefined {
  const row = sql.one('select * from issues where source = ? and identity = ? and issue = ?', source, identity, issue)
  return row && readIssueRow(row)
}

export type IssueName = Pick<IssueRow, 'source' | 'identity' | 'issue'>

export function writeIssue(sql: Sql, row: IssueRow): void {
  sql.run(ISSUE_INSERTION, ...valuesOf(row, ISSUE))
}

/** Forgets issues that are gone, nothing of which is owed, and that nothing happened to since. */
export function forgetIssues(sql: Sql, source: string, before: number): void {
  sql.run(
    `delete from issues where source = ? and state in ('gone', 'ignored') and owed is null and updated_at < ?`,
    source,
    before,
  )
}
