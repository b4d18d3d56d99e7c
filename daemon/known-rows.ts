/**
 * Attempts as they are stored, for the next run of each: without it every hop reads its row, its JSON and its inbox
 * again, a seventh of what a task costs. Everything here is said after COMMIT. An entry that is not true any more does no
 * harm: `rev` and the count of wakes guard what is written from it, and the run is taken again from the row.
 */
import type { AttemptKey, ReadTask } from '../src/store/attempts.ts'
import type { Signal } from '../src/store/inbox.ts'
import { taskSubject } from './subjects.ts'

export interface KnownRow {
  task: ReadTask
  /** What it was told and has not used; undefined when that has to be read. */
  signals: readonly Signal[] | undefined
}

export interface KnownRows {
  /** It was written so; whoever has nothing left to do is not kept. */
  keep(row: KnownRow): void
  /** Its wake was pulled to `at`; `told` when there is something new in its inbox. */
  woken(key: AttemptKey, at: number, told: boolean): void
  /** Answers a row once: the run that takes it keeps what it stores. */
  take(key: AttemptKey): KnownRow | undefined
  forget(key: AttemptKey): void
  clear(): void
}

/** Some 2 KiB each. The oldest go first: their tasks are read when they run. */
const ROWS_MAX = 1_024

export function createKnownRows(): KnownRows {
  const rows = new Map<string, KnownRow>()

  function keep(row: KnownRow): void {
    const subject = taskSubject(row.task)
    rows.delete(subject)
    if (row.task.step === null) return
    rows.set(subject, row)
    if (rows.size <= ROWS_MAX) return
    const [oldest = ''] = rows.keys()
    rows.delete(oldest)
  }

  function take(key: AttemptKey): KnownRow | undefined {
    const subject = taskSubject(key)
    const row = rows.get(subject)
    rows.delete(subject)
    return row
  }

  return {
    keep,
    take,
    woken(key, at, told) {
      const subject = taskSubject(key)
      const row = rows.get(subject)
      if (!row) return
      const { wakes, wakeAt } = row.task
      const task = { ...row.task, wakes: wakes + 1, wakeAt: wakeAt === null ? null : Math.min(wakeAt, at) }
      rows.set(subject, { task, signals: told ? undefined : row.signals })
    },
    forget: key => void rows.delete(taskSubject(key)),
    clear: () => rows.clear(),
  }
}
