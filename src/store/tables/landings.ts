/** Landings: one row a task, the last that was asked for. Those of one branch of one source are a lane, in the order of their numbers. */
import { TdfError } from '../../core/errors.ts'
import { columnsOf, fields, holes, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

/**
 * Legal changes of a landing, each with its reason. *waiting*: for its turn, or to be merged; *resolving*: its conflict is
 * with its agent, and the next of the lane goes on; *checking*: the merged tree is checked by a task; *ready*: the branch may
 * move; *landed*: it did; *left*: it will not, and `code` and `why` say why.
 */
export const LANDING_EDGES = {
  waiting: {
    checking: 'it merges',
    ready: 'it merges, and nothing is to be checked',
    landed: 'the branch has all of it',
    resolving: 'it conflicts, with --resolve',
    left: 'it conflicts',
  },
  resolving: { waiting: 'its agent resolved that', left: 'its agent did not' },
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
  /** Its agent may be asked once to resolve a conflict. */
  resolve: boolean
  /** The attempt that was opened for that, and whose result lands then; null before. */
  resolvedIn: number | null
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
  'taskId attempt number source onto resolvedIn checkCommand state tip merged checkTask tries dueAt code why updatedAt',
  '',
  'squash resolve',
)

const read = (row: Row) => objectOf<Landing>(row, TABLE)
const OPEN = `state in ('waiting', 'resolving', 'checking', 'ready')`

/** Whether the landing is of this attempt: the one that it was asked for, or the one that has resolved its conflict. */
export const isOfAttempt = (landing: Landing | undefined, attempt: number): landing is Landing =>
  landing?.attempt === attempt || (landing !== undefined && landing.resolvedIn === attempt)

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
  ask: Pick<Landing, 'taskId' | 'attempt' | 'source' | 'onto' | 'squash' | 'resolve' | 'checkCommand' | 'tip'>,
  now: number,
): void {
  const rest = { state: 'waiting', merged: null, checkTask: null, tries: 0, dueAt: now, code: null, why: null }
  const row = { ...ask, ...rest, number: nextNumber(sql), updatedAt: now }
  sql.run(`insert or replace into landings (${columnsOf(TABLE)}) values (${holes(TABLE)})`, ...valuesOf(row, TABLE))
}

const nextNumber = (sql: Sql) => Number(sql.one('select coalesce(max(number), 0) + 1 as next from landings')?.next)

type Change = Partial<
  Pick<
    Landing,
    'state' | 'number' | 'resolve' | 'resolvedIn' | 'tip' | 'merged' | 'checkTask' | 'tries' | 'dueAt' | 'code' | 'why'
  >
>

/** False when it is another state by now: then nothing was changed. Throws BUG when the state may not change so. */
export function changeLanding(sql: Sql, seen: Landing, change: Change, now: number): boolean {
  const next = { ...seen, ...change }
  if (next.state !== seen.state && !Object.hasOwn(LANDING_EDGES[seen.state], next.state)) {
    throw new TdfError('BUG', `the landing of ${seen.taskId}: ${seen.state} → ${next.state} is no edge of its table`)
  }
  return (
    sql.run(
      `update landings set state = ?, number = ?, resolve = ?, resolved_in = ?, tip = ?, merged = ?, check_task = ?, tries = ?,
         due_at = ?, code = ?, why = ?, updated_at = ?
       where task_id = ? and number = ? and state = ?`,
      ...[
        next.state,
        next.number,
        next.resolve ? 1 : 0,
        next.resolvedIn,
        next.tip,
        next.merged,
        next.checkTask,
        next.tries,
      ],
      ...[next.dueAt, next.code, next.why, now],
      ...[seen.taskId, seen.number, seen.state],
    ) === 1
  )
}

/** One whose conflict is resolved waits behind all others. */
export function rejoinLane(sql: Sql, landing: Landing, now: number): void {
  changeLanding(sql, landing, { state: 'waiting', number: nextNumber(sql), dueAt: now }, now)
}

/** Where the branch of a folder is now, for all that still wait to be merged onto it. */
export function moveLane(sql: Sql, source: string, onto: string, tip: string): void {
  const query = `update landings set tip = ? where source = ? and onto = ? and state in ('waiting', 'resolving')`
  sql.run(query, tip, source, onto)
}
