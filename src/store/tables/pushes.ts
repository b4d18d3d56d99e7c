/**
 * Pushes: one row a task, the last that was asked for. It outlives the daemon until it has ended one way or the other. Below
 * them the watches over pull requests: one row a task too.
 */
import { TdfError } from '../../core/errors.ts'
import type { PullGoal } from '../../core/source.ts'
import { fields, insertion, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface Push {
  taskId: string
  attempt: number
  remote: string
  branch: string
  commitId: string
  wantsPr: boolean
  state: 'pending' | 'pushed' | 'failed'
  /** What we know to have put on the branch: nothing else of it is ever replaced. */
  pushedCommit: string | null
  prUrl: string | null
  tries: number
  dueAt: number
  /** A try that fails after this time is the last. */
  until: number
  error: string | null
  updatedAt: number
}

const TABLE = fields(
  'taskId attempt remote branch commitId state pushedCommit prUrl tries dueAt until error updatedAt',
  '',
  'wantsPr',
)

const read = (row: Row) => objectOf<Push>(row, TABLE)

export function readPush(sql: Sql, taskId: string): Push | undefined {
  const row = sql.one('select * from pushes where task_id = ?', taskId)
  return row && read(row)
}

export function duePushes(sql: Sql, now: number, limit: number): Push[] {
  const query = `select * from pushes where state = 'pending' and due_at <= ? order by due_at limit ?`
  return readable(sql.all(query, now, limit), read)
}

/** Asks for a push, in place of the one before. What is known about the same branch is kept. */
export function askForPush(
  sql: Sql,
  ask: Pick<Push, 'taskId' | 'attempt' | 'remote' | 'branch' | 'commitId' | 'wantsPr' | 'until'>,
  now: number,
): void {
  const before = readPush(sql, ask.taskId)
  const isSame = before?.remote === ask.remote && before.branch === ask.branch
  sql.run(
    `insert or replace into pushes
       (task_id, attempt, remote, branch, commit_id, wants_pr, state, pushed_commit, pr_url, due_at, until, updated_at)
     values (?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)`,
    ...[ask.taskId, ask.attempt, ask.remote, ask.branch, ask.commitId, ask.wantsPr ? 1 : 0],
    ...[isSame ? before.pushedCommit : null, isSame ? before.prUrl : null, now, ask.until, now],
  )
}

/** False when another push was asked for meanwhile: then nothing was changed. */
export function changePush(
  sql: Sql,
  seen: Push,
  change: Partial<Pick<Push, 'state' | 'pushedCommit' | 'prUrl' | 'tries' | 'dueAt' | 'error'>>,
  now: number,
): boolean {
  const next = { ...seen, ...change }
  return (
    sql.run(
      `update pushes set state = ?, pushed_commit = ?, pr_url = ?, tries = ?, due_at = ?, error = ?, updated_at = ?
       where task_id = ? and attempt = ? and remote = ? and branch = ? and commit_id = ? and until = ?`,
      ...[next.state, next.pushedCommit, next.prUrl, next.tries, next.dueAt, next.error, now],
      ...[seen.taskId, seen.attempt, seen.remote, seen.branch, seen.commitId, seen.until],
    ) === 1
  )
}

const ENDS = {
  green: 'all is green',
  merged: 'somebody merged it',
  closed: 'somebody closed it',
  needs_you: 'still red: rounds used up, or nothing changed twice',
  stopped: 'the branch was replaced, or tdf pr stop',
} as const

/**
 * Legal changes of a watch, each with its reason. It is over in all states but the first three. *needs_you*: it is still
 * red, and nothing more is tried.
 */
export const WATCH_EDGES = {
  watching: { reacting: 'something new is red', paused: 'tdf pr pause', ...ENDS },
  reacting: { watching: 'the agent is done', paused: 'its attempt was cancelled, or tdf pr pause', ...ENDS },
  paused: { watching: 'tdf pr resume', stopped: 'tdf pr stop' },
  green: { watching: 'new commits, or tdf pr resume' },
  merged: {},
  closed: {},
  needs_you: { watching: 'tdf pr resume' },
  stopped: { watching: 'tdf pr resume' },
} as const satisfies Record<string, Record<string, string>>

export type WatchState = keyof typeof WATCH_EDGES

export interface Watch {
  taskId: string
  url: string
  goal: PullGoal
  rounds: number
  /** How often the agent has answered with new commits. */
  round: number
  state: WatchState
  /** Of the branch, as far as it is known to be made of our commits and of those that people have put on them. */
  head: string
  /** A hash of what was seen last, and since when it has been the same, Unix ms. */
  seen: string | null
  seenAt: number
  /** Fingerprints of what the agent was given: never the same twice. */
  given: string[]
  /** The review threads that it was given, each with its last comment. */
  told: string[]
  /** The checks that it was given last. */
  still: string[]
  /** The attempt that was opened last by this watch; null before the first. */
  attempt: number | null
  /** How often in a row an attempt ended without a new commit. */
  unchanged: number
  waitingFor: string | null
  checks: { passed: number; failed: number; pending: number } | null
  /** What was read last of the forge, by path, with its ETag. */
  cache: Record<string, { etag: string; value: unknown }> | null
  dueAt: number
  tries: number
  error: string | null
  /** Counts changes: who wants to change the row names the one that they have seen. */
  rev: number
  updatedAt: number
}

const WATCH = fields(
  'taskId url goal rounds round state head seen seenAt attempt unchanged waitingFor dueAt tries error rev updatedAt',
  'given told still checks cache',
)
const WATCH_INSERTION = insertion('watches', WATCH).replace(/^insert/, 'insert or replace')
const readWatchRow = (row: Row) => objectOf<Watch>(row, WATCH)

export function readWatch(sql: Sql, taskId: string): Watch | undefined {
  const row = sql.one('select * from watches where task_id = ?', taskId)
  return row && readWatchRow(row)
}

/** The task of a pull request that tdf has opened or watches. */
export function taskOfPull(sql: Sql, url: string): string | undefined {
  const query = 'select task_id from watches where url = ? union select task_id from pushes where pr_url = ? limit 1'
  const row = sql.one(query, url, url)
  return row && String(row.task_id)
}

/** The newest change first. */
export function listWatches(sql: Sql, limit: number): Watch[] {
  return readable(sql.all('select * from watches order by updated_at desc limit ?', limit), readWatchRow)
}

export function dueWatches(sql: Sql, now: number, limit: number): Watch[] {
  const query = `select * from watches where state in ('watching', 'reacting') and due_at <= ? order by due_at limit ?`
  return readable(sql.all(query, now, limit), readWatchRow)
}

/** Begins to watch, in place of what was watched before for this task. */
export function insertWatch(
  sql: Sql,
  watch: Pick<Watch, 'taskId' | 'url' | 'goal' | 'rounds' | 'head'>,
  now: number,
): void {
  const before = readWatch(sql, watch.taskId)
  const fresh: Watch = {
    ...watch,
    round: 0,
    state: 'watching',
    seen: null,
    seenAt: now,
    given: before?.given ?? [],
    told: before?.told ?? [],
    still: [],
    attempt: null,
    unchanged: 0,
    waitingFor: null,
    checks: null,
    cache: null,
    dueAt: now,
    tries: 0,
    error: null,
    rev: (before?.rev ?? 0) + 1,
    updatedAt: now,
  }
  sql.run(WATCH_INSERTION, ...valuesOf(fresh, WATCH))
}

/** False when the row was changed meanwhile: then nothing is. Throws BUG when the state may not change so. */
export function changeWatch(
  sql: Sql,
  seen: Watch,
  change: Partial<Omit<Watch, 'taskId' | 'rev'>>,
  now: number,
): boolean {
  if (readWatch(sql, seen.taskId)?.rev !== seen.rev) return false
  const next = { ...seen, ...change, rev: seen.rev + 1, updatedAt: now }
  if (next.state !== seen.state && !Object.hasOwn(WATCH_EDGES[seen.state], next.state)) {
    throw new TdfError('BUG', `the watch of ${seen.taskId}: ${seen.state} → ${next.state} is no edge of its table`)
  }
  sql.run(WATCH_INSERTION, ...valuesOf(next, WATCH))
  return true
}

/** What is on the branch now is ours to move on from. */
export function movePush(sql: Sql, taskId: string, pushedCommit: string): void {
  sql.run('update pushes set pushed_commit = ? where task_id = ?', pushedCommit, taskId)
}
