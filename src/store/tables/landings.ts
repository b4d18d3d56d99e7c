/** Landings: one row a task, the last that was asked for. Those of one branch of one source are a lane, in the order of their numbers. */
import { TdfError } from '../../core/errors.ts'
import { columnsOf, fields, holes, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

/**
 * Legal changes of a landing, each with its reason. *waiting*: for its turn, or to be merged; *checking*: the merged tree is
 * checked by a task; *ready*: the branch may move; *landed*: it did; *left*: it will not, and `code` and `why` say why.
 */
export const LANDING_EDGES = {
  waiting: {
    checking: 'it merges',
    ready: 'it merges, and nothing is to be checked',
    landed: 'the branch has all of it',
    left: 'it conflicts',
  },
  checking: { ready: 'the check passed', left: 'the check failed' },
  ready: {
    landed: 'the branch is moved to what was checked',
    waiting: 'the branch is elsewhere by now',
    left: 'the branch may not be moved, or moved too often',
  },
  landed: {},
  left: {},
} as const satisfies Record<string, Record<string, string>>

export type LandingState = keyof typeof LANDING_EDGES

export interface Landing {
  taskId: string
  attempt: number
  /** Counts up over all of them. */
  number: number
  source: string
  /** The full name of the branch. */
  onto: string
  squash: boolean
  /** A shell command; null: nothing is checked. */
  checkCommand: string | null
  state: LandingState
  /** Where the branch was when it was merged; of a folder, where its user's command saw it last. */
  tip: string | null
  /** The commit that the branch becomes. */
  merged: string | null
  checkTask: string | null
  /** How often the branch had moved meanwhile, or could not be reached. */
  tries: number
  dueAt: number
  code: string | null
  why: string | null
  updatedAt: number
}

const TABLE = fields(
  'taskId attempt number source onto checkCommand state tip merged checkTask tries dueAt code why updatedAt',
  '',
  'squash',
)

const read = (row: Row) => objectOf<Landing>(row, TABLE)
const OPEN = `state in ('waiting', 'checking', 'ready')`

export function readLanding(sql: Sql, taskId: string): Landing | undefined {
  const row = sql.one('select * from landings where task_id = ?', taskId)
  return row && read(row)
}

/** Those that are on their way, in order. */
export function openLandings(sql: Sql): Landing[] {
  return readable(sql.all(`select * from landings where ${OPEN} order by number`), read)
}

/** In place of the one before, behind all others. */
export function askForLanding(
  sql: Sql,
  ask: Pick<Landing, 'taskId' | 'attempt' | 'source' | 'onto' | 'squash' | 'checkCommand' | 'tip'>,
  now: number,
): void {
  const number = Number(sql.one('select coalesce(max(number), 0) + 1 as next from landings')?.next)
  const rest = { state: 'waiting', merged: null, checkTask: null, tries: 0, dueAt: now, code: null, why: null }
  const row = { ...ask, ...rest, number, updatedAt: now }
  sql.run(`insert or replace into landings (${columnsOf(TABLE)}) values (${holes(TABLE)})`, ...valuesOf(row, TABLE))
}

type Change = Partial<Pick<Landing, 'state' | 'tip' | 'merged' | 'checkTask' | 'tries' | 'dueAt' | 'code' | 'why'>>

/** False when it is another state by now: then nothing was changed. Throws BUG when the state may not change so. */
export function changeLanding(sql: Sql, seen: Landing, change: Change, now: number): boolean {
  const next = { ...seen, ...change }
  if (next.state !== seen.state && !Object.hasOwn(LANDING_EDGES[seen.state], next.state)) {
    throw new TdfError('BUG', `the landing of ${seen.taskId}: ${seen.state} → ${next.state} is no edge of its table`)
  }
  return (
    sql.run(
      `update landings set state = ?, tip = ?, merged = ?, check_task = ?, tries = ?, due_at = ?, code = ?, why = ?, updated_at = ?
       where task_id = ? and number = ? and state = ?`,
      ...[next.state, next.tip, next.merged, next.checkTask, next.tries, next.dueAt, next.code, next.why, now],
      ...[seen.taskId, seen.number, seen.state],
    ) === 1
  )
}

/** Where the branch of a folder is now, for all that still wait to be merged onto it. */
export function moveLane(sql: Sql, source: string, onto: string, tip: string): void {
  sql.run(`update landings set tip = ? where source = ? and onto = ? and state = 'waiting'`, tip, source, onto)
}
