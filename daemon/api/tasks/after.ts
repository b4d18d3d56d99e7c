/** What a task waits for, as it is asked for and as it is shown. */

import { formatDurationShort } from '../../../src/core/duration.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { awaitedBy } from '../../../src/core/facts.ts'
import type { AfterSpec } from '../../../src/core/source.ts'
import { isOver, type Task } from '../../../src/core/task.ts'
import type { TaskJson, WhyJson } from '../../../src/protocol/control.ts'
import type { SubmitRequest } from '../../../src/protocol/submit.ts'
import { edgesOf } from '../../../src/store/groups/edges.ts'
import { memberOf, membersOf } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { raceSentences } from '../../../src/text/progress/races.ts'
import { stageName } from '../../../src/text/steps.ts'
import { listed, sentences } from '../../../src/text/waiting.ts'
import { meets } from '../../engine/rules/after.ts'
import { findTask } from './find.ts'

type Asked = Pick<SubmitRequest, 'after' | 'from' | 'if' | 'onFailed'>

/** Undefined where the task waits for no other. Throws NOT_FOUND, AMBIGUOUS or USAGE. */
export function afterOf(sql: Sql, { after, from, if: condition, onFailed }: Asked): AfterSpec | undefined {
  const fromIds = [...new Set(from.map(reference => findTask(sql, reference).id))]
  const ids = [...new Set([...after.map(reference => findTask(sql, reference).id), ...fromIds])]
  if (ids.length > 0) return { ids, from: fromIds, if: condition ?? 'ok', onFailed: onFailed ?? 'hold' }
  const [field] = [condition !== null && 'if', onFailed !== null && 'onFailed'].filter(name => name !== false)
  if (field === undefined) return undefined
  const option = field === 'if' ? '--if' : '--on-failed'
  throw new TdfError('USAGE', `${option} says when a task goes on after another; name one by --after or --from`, {
    field,
    hint: 'tdf submit --help',
  })
}

/** The first of the tasks from whose work another begins; undefined without one. Throws USAGE when their repositories differ. */
export function beforeOf(sql: Sql, after: AfterSpec | undefined): ReadTask | undefined {
  const [first, ...others] = (after?.from ?? []).map(id => findTask(sql, id))
  const other = others.find(({ spec: { repo } }) => repo.url !== first?.spec.repo.url)
  if (first && other) throw otherSource(first, other.id, other.spec.repo.url)
  return first
}

export function otherSource(task: Task, what: string, url: string): TdfError {
  const message = `task ${task.id} began from ${task.spec.repo.url}, and ${what} from ${url}: a task begins from one repository`
  return new TdfError('USAGE', message, { field: 'from', hint: `tdf show ${task.id}` })
}

/** Most tasks wait for no other, and cost no look. */
export function afterJson(sql: Sql, task: Task): Pick<TaskJson, 'after' | 'from' | 'waitingFor'> {
  const { after } = task.spec
  if (!after) return { after: [], from: [], waitingFor: task.waitingFor }
  const edges = new Map(edgesOf(sql, task.id).map(edge => [edge.predecessor, edge]))
  const states = after.ids.map(id => ({ id, state: stateOf(sql, after, edges.get(id), id) }))
  const isHeld = awaitedBy(task) === 'predecessors' && !task.facts.blocked?.files
  const waitingFor = isHeld ? waitingText(sql, task) : task.waitingFor
  return { after: states, from: after.from, waitingFor }
}

type EdgeState = TaskJson['after'][number]['state']

/** *gone*: it was removed after it had let the task go on. */
function stateOf(
  sql: Sql,
  after: AfterSpec,
  edge: ReturnType<typeof edgesOf>[number] | undefined,
  id: string,
): EdgeState {
  if (!edge) return 'gone'
  if (edge.met !== null) return 'met'
  const predecessor = readNewestAttempt(sql, id)
  return predecessor && isOver(predecessor) && !meets(after, edge.gives === 'must', predecessor) ? 'failed' : 'waiting'
}

/** Those that are not there yet, as they are now. */
function openBefore(sql: Sql, id: string): { gives: boolean; predecessor: ReadTask }[] {
  return edgesOf(sql, id).flatMap(({ predecessor, gives, met }) => {
    const task = met === null ? readNewestAttempt(sql, predecessor) : undefined
    return task ? [{ gives: gives === 'must', predecessor: task }] : []
  })
}

const SHOWN_MAX = 6

function waitingText(sql: Sql, task: Task, now?: number): string {
  const open = openBefore(sql, task.id)
  const words = open.slice(0, SHOWN_MAX).map(({ predecessor }) => `${predecessor.id} (${standOf(predecessor, now)})`)
  const left = open.length - words.length
  return listed(left > 0 ? [...words, `${left} more`] : words)
}

function standOf({ status, verdict, step, stepEnteredAt }: Task, now: number | undefined): string {
  if (step === null || isOver({ status, step })) return verdict ?? status
  return now === undefined
    ? stageName(step)
    : `${stageName(step)}, ${formatDurationShort(Math.max(now - stepEnteredAt, 0))}`
}

/** As many of its group go on as may. */
export function whyTurn(sql: Sql, task: Task): Pick<WhyJson, 'sentence' | 'command'> {
  const { name = '', atMost } = memberOf(sql, task.id) ?? {}
  return { sentence: sentences.turn(name, atMost ?? 1), command: `tdf why --group ${name}` }
}

/** What became of the race of a task that is over; null where it ran in none. */
export function whyRace(sql: Sql, task: Task): string | null {
  const race = task.spec.race ? memberOf(sql, task.id) : undefined
  if (!race) return null
  const { name, winner } = race
  if (winner !== null) return winner === task.id ? raceSentences.won(name) : raceSentences.lost(name, winner)
  const open = membersOf(sql, name).filter(id => !isOver(readNewestAttempt(sql, id) ?? task))
  return open.length > 0 ? raceSentences.goesOn(name, open) : raceSentences.allOut(name)
}

/** Of a task that its predecessors hold: the one that failed, with the two commands that let it go on, else those that go on. */
export function whyHeld(sql: Sql, task: Task, now: number): Pick<WhyJson, 'sentence' | 'command'> {
  const { blocked } = task.facts
  if (blocked?.files) {
    const sentence = sentences.conflict(blocked.by, blocked.files)
    return { sentence, command: `tdf continue ${blocked.by.at(-1)}` }
  }
  const failed = openBefore(sql, task.id).find(({ predecessor }) => isOver(predecessor))
  if (!failed) return { sentence: sentences.waits(waitingText(sql, task, now)), command: `tdf cancel ${task.id}` }
  const { id, status, verdict } = failed.predecessor
  const isCompleted = status === 'completed'
  const state = isCompleted || verdict === null ? status : `${status} (${verdict})`
  return { sentence: sentences.blocked(id, state, isCompleted), command: `tdf continue ${id}` }
}
