/**
 * Races. The winner is written in the transaction that ends the member by which the race is decided, and so is all that follows from
 * it: there is no moment at which a race is half decided, and never a second winner.
 */
import { asTdfError } from '../../../src/core/errors.ts'
import { isTerminal, type Task } from '../../../src/core/task.ts'
import { memberOf, membersOf, setWinner } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { addSignal } from '../../../src/store/tables/inbox.ts'
import { pushAfter } from '../../results/push/request.ts'
import type { Engine } from '../../services.ts'
import { taskSubject } from '../loop.ts'
import { isPushedByRace, scoreOf, winnerOf } from '../rules/race.ts'
import { pullWake } from './wake.ts'

/** Inside the write that ended a task: what that means for its race, where it runs in one. */
export function settleRace(engine: Engine, task: Task): void {
  const { sql } = engine.store
  const race = task.spec.race ? memberOf(sql, task.id) : undefined
  if (!race) return
  const now = engine.world.clock.now()
  // It was decided before: what the winner came to since is its next result, and another one stays beaten.
  if (race.winner === task.id) return pushWinner(engine, task, now)
  if (race.winner !== null) return
  const members = membersOf(sql, race.name).flatMap(id => readable(sql, id) ?? [])
  const winner = winnerOf(members, task)
  if (winner === undefined || (winner && !setWinner(sql, race.name, winner.id))) return
  const data = { group: race.name, winner: winner?.id ?? null, score: winner && scoreOf(winner) }
  for (const { id, attempt, step } of members) {
    engine.store.append({ type: 'task.race', taskId: id, attempt, step, data }, now)
  }
  if (!winner) return
  pushWinner(engine, winner, now)
  for (const member of members) if (!isTerminal(member.status)) callOff(engine, member, now)
}

/** A member whose row is damaged is left alone, and wins nothing. */
function readable(sql: Sql, id: string): ReadTask | undefined {
  try {
    return readNewestAttempt(sql, id)
  } catch (thrown) {
    if (asTdfError(thrown).code !== 'STATE_CORRUPT') throw thrown
    return undefined
  }
}

function pushWinner(engine: Engine, winner: Task, now: number): void {
  const isThere = winner.status === 'completed' && (winner.result?.ahead ?? 0) > 0
  if (isThere && isPushedByRace(winner)) pushAfter(engine, winner, now)
}

/** As its user would cancel it: its work is brought home first. */
function callOff(engine: Engine, { id, attempt }: Task, now: number): void {
  const dedupe = `cancel:${id}:${attempt}`
  if (!addSignal(engine.store.sql, { id, attempt, kind: 'cancel', dedupe, payload: {} }, now)) return
  pullWake(engine, { id, attempt }, now)
  engine.store.afterCommit(() =>
    engine.loop.interrupt(taskSubject({ id, attempt }), new Error('another task won its race')),
  )
}
