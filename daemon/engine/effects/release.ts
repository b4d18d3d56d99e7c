/**
 * Tasks that wait for others. Their edges are written with them, and the end of a predecessor lets them go on, holds them or
 * ends them in its own transaction: there is no moment at which it has ended and its successors do not know.
 */
import { awaitedBy } from '../../../src/core/facts.ts'
import { isOver, type Task, type TaskSpec } from '../../../src/core/task.ts'
import {
  concernsOthers,
  type Edge,
  edgesOf,
  edgesTo,
  hasUnmet,
  insertEdge,
  meetEdge,
} from '../../../src/store/groups/edges.ts'
import { endTurn, takeTurn } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { taskWaits } from '../../../src/text/waiting.ts'
import type { Engine } from '../../services.ts'
import {
  beforeBase,
  beforeTurn,
  block,
  cancelAfter,
  heldBack,
  meets,
  released,
  releasing,
  workOf,
} from '../rules/after.ts'
import type { Transition } from '../rules/transition.ts'
import { decisionInput } from './input.ts'
import { settleRace } from './race.ts'

/** What becomes of another task in the same write. */
export interface Follower {
  seen: ReadTask
  decided: Transition
}

/** Inside the write that inserts the task: an edge for each predecessor, met where that one is there already. Throws NOT_FOUND. */
export function insertEdges(sql: Sql, id: string, { after }: TaskSpec): void {
  after?.ids.forEach((predecessor, position) => {
    const gives = after.from.includes(predecessor) ? (after.fromCompleted ? 'may' : 'must') : null
    const newest = readNewestAttempt(sql, predecessor)
    const met = newest && meets(after, gives === 'must', newest) ? newest.attempt : null
    insertEdge(sql, { taskId: id, predecessor, position, gives, met })
  })
}

/** Inside a write: an attempt as it stands before it asks for a slot, or with the first of what it still waits for. */
export function standing(engine: Pick<Engine, 'store' | 'config'>, task: Task, now: number): Task {
  const { after } = task.spec
  const { facts } = task
  if (after && hasUnmet(engine.store.sql, task.id)) return heldBack(task, { now })
  if (!takeTurn(engine.store.sql, task.id)) return beforeTurn(task, { now })
  if (after && after.from.length > 0 && facts.resume === undefined) return beforeBase(task, { now })
  return begun(engine, task, now)
}

/** A repository by url is fetched first: the attempt is due at once, and asks for no slot before. */
function begun({ config }: Pick<Engine, 'config'>, task: Task, now: number): Task {
  const { repo } = task.spec
  if (repo.kind !== 'git' || config.repositories.fetch === 'node' || task.facts.resume) return task
  return { ...task, facts: { ...task.facts, source: null }, wakeAt: now, waitingFor: taskWaits.source(repo.url) }
}

/** Inside the write of an outcome: what the end of the task, or that it is held, means for those that wait for it. */
export function followersOf(engine: Engine, before: Task, task: Task): Follower[] {
  const { sql } = engine.store
  // A person has to mend what it begins from: it has its turn when that is done.
  if (before.facts.awaits === 'base' && task.facts.blocked) return nextInTurn(engine, task)
  if (isOver(before) || !isOver(task) || !concernsOthers(sql, task)) return []
  settleRace(engine, task)
  return [...nextInTurn(engine, task), ...edgesTo(sql, task.id).flatMap(edge => followerAt(engine, edge, task) ?? [])]
}

/** Those whose turn it is, now that the task goes on no more. */
function nextInTurn(engine: Engine, { id }: Task): Follower[] {
  return endTurn(engine.store.sql, id).flatMap(next => {
    const seen = readNewestAttempt(engine.store.sql, next)
    return seen && awaitedBy(seen) === 'turn' ? [{ seen, decided: letGo(engine, seen) }] : []
  })
}

/** Inside the write that brings the work of a task home after its end: those that were held for want of it. */
export function followersOfLate(engine: Engine, task: Task): Follower[] {
  if (workOf(task) === null || readNewestAttempt(engine.store.sql, task.id)?.attempt !== task.attempt) return []
  return edgesTo(engine.store.sql, task.id).flatMap(edge => {
    const after = edge.met === null ? readNewestAttempt(engine.store.sql, edge.taskId)?.spec.after : undefined
    return after && meets(after, edge.gives === 'must', task) ? (followerAt(engine, edge, task) ?? []) : []
  })
}

/** Inside the write that inserted the task: one whose predecessor has failed already is held, or ends. */
export function followersAtSubmit(engine: Engine, { id, spec }: Pick<Task, 'id' | 'spec'>): Follower[] {
  const { sql } = engine.store
  if (!spec.after) return []
  const unmet = edgesOf(sql, id).filter(({ met }) => met === null)
  for (const edge of unmet) {
    const predecessor = readNewestAttempt(sql, edge.predecessor)
    const follower = predecessor && isOver(predecessor) ? followerAt(engine, edge, predecessor) : undefined
    if (follower) return [follower]
  }
  return []
}

function followerAt(engine: Engine, edge: Edge, predecessor: Task): Follower | undefined {
  const { sql } = engine.store
  const seen = readNewestAttempt(sql, edge.taskId)
  const after = seen?.spec.after
  if (!seen || !after) return undefined
  const isHeld = awaitedBy(seen) === 'predecessors'
  const isMet = meets(after, edge.gives === 'must', predecessor)
  // A newer result counts as long as the task has not begun from an older one.
  if (isMet && (isHeld || edge.met === null)) meetEdge(sql, edge, predecessor.attempt)
  if (!isHeld || (!isMet && edge.met !== null)) return undefined
  const input = decisionInput(engine)
  if (isMet) return hasUnmet(sql, seen.id) ? undefined : { seen, decided: letGo(engine, seen) }
  if (after.onFailed === 'cancel') return { seen, decided: cancelAfter(seen, predecessor, input) }
  return { seen, decided: block(seen, { by: [predecessor.id], attempt: predecessor.attempt }, input) }
}

function letGo(engine: Engine, task: Task): Transition {
  const input = decisionInput(engine)
  const next = standing(engine, released(task, input), input.now)
  return next.facts.awaits ? { task: next, events: [], writes: [], failure: null } : releasing(next)
}
