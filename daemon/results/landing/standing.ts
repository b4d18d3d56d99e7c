/** How a landing stands, for people and programs. */
import { isTerminal, type Task } from '../../../src/core/task.ts'
import type { LandingJson } from '../../../src/protocol/control.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { isOfAttempt, type Landing, openLandings, readLanding } from '../../../src/store/tables/landings.ts'
import { landingSentences } from '../../../src/text/waiting.ts'

/** Of this attempt; null when nobody asked for one. */
export function landingJson(sql: Sql, { id, attempt }: Pick<Task, 'id' | 'attempt'>): LandingJson | null {
  const landing = readLanding(sql, id)
  if (!isOfAttempt(landing, attempt)) return null
  const { state, onto, tip, merged, checkTask, resolvedIn, squash, code, why } = landing
  const place = laneBefore(sql, landing).length
  const error = code === null ? null : { code, message: why ?? code }
  const isOpen = state !== 'landed' && state !== 'left'
  const facts = { state, onto, tip, commit: merged, checkTask, resolvedIn, squash }
  return { ...facts, place: isOpen ? place + 1 : null, error }
}

/** Those of the same lane that come first. */
function laneBefore(sql: Sql, { number, source, onto }: Landing): Landing[] {
  const lane = openLandings(sql).filter(one => one.source === source && one.onto === onto)
  return lane.filter(one => one.number < number && one.state !== 'resolving')
}

/** Undefined where nothing of it is on its way, or went wrong. */
export function whyLanding(sql: Sql, task: Task): { sentence: string; command: string } | undefined {
  const landing = isTerminal(task.status) && task.step === null ? readLanding(sql, task.id) : undefined
  if (!isOfAttempt(landing, task.attempt) || landing.state === 'landed') return undefined
  const branch = landing.onto.replace(/^refs\/heads\//, '')
  if (landing.state === 'left') {
    const sentence = landingSentences.left(branch, landing.why ?? landing.code ?? '')
    const mayResolve = landing.code === 'CONFLICT' && landing.resolvedIn === null
    return { sentence, command: `tdf land ${task.id}${mayResolve ? ' --resolve' : ''}` }
  }
  const before = laneBefore(sql, landing)
  const [first = landing] = before
  const sentence = landingSentences.inLane(branch, before.length + 1, first.taskId, first.state)
  const command = first.checkTask === null ? `tdf show ${first.taskId}` : `tdf show ${first.checkTask}`
  return { sentence, command: first.state === 'ready' ? `tdf land ${first.taskId}` : command }
}
