/** A look at a source, and what is known of it: how far it was read, its issues and their tasks. */
import type { SourceConfig } from '../../../src/config/schema/config.ts'
import { isOver } from '../../../src/core/task.ts'
import { type IssueRow, readIssues, readSource, type SourceState } from '../../../src/store/intake/issues.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import type { RunningEngine } from '../../build.ts'
import type { Tracker } from './trackers/tracker.ts'

export interface Scene {
  engine: RunningEngine
  source: SourceConfig
  identity: string
  tracker: Tracker
  /** The folder of templates. */
  templates: string
  signal: AbortSignal
}

type Reading = Pick<RunningEngine, 'store'>

/** Another tracker, project or label under the same name is another source. */
export function identityOf({ kind, endpoint, project, label, command }: SourceConfig): string {
  return JSON.stringify([kind, endpoint, kind === 'command' ? command : [], project, label])
}

/** Of another source under the same name nothing is known but whether it rests. */
export function stateOf({ store: { sql } }: Reading, source: SourceConfig): SourceState {
  const known = readSource(sql, source.name)
  const identity = identityOf(source)
  if (known?.identity === identity) return known
  const fresh = { name: source.name, identity, paused: known?.paused ?? false, cache: null, dueAt: 0, tries: 0 }
  return { ...fresh, error: null, lookedAt: null, updatedAt: 0 }
}

export const rowsOf = (engine: Reading, source: SourceConfig) =>
  readIssues(engine.store.sql, source.name, identityOf(source))

/** Undefined: none, or one that was removed. */
export const taskOf = (engine: Reading, { task }: Pick<IssueRow, 'task'>): ReadTask | undefined =>
  task === null ? undefined : readNewestAttempt(engine.store.sql, task)

/** How many tasks of these issues are not over. */
export function liveOf(engine: Reading, rows: readonly IssueRow[]): number {
  return rows.filter(row => {
    const task = taskOf(engine, row)
    return task !== undefined && !isOver(task)
  }).length
}
