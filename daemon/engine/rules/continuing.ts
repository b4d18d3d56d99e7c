/**
 * What the next attempt of a task goes on from when its user says more (`tdf continue`), and when it cannot. Pure.
 */
import { TdfError } from '../../../src/core/errors.ts'
import {
  agentsOf,
  type Continued,
  isOver,
  isTerminal,
  type ResumeFacts,
  type Task,
  type TaskSpec,
} from '../../../src/core/task.ts'
import { resumeOf } from './transition.ts'

export interface ContinueRequest {
  /** Made by the sender: the same key again is the same attempt. */
  key: string
  /** Of what is asked for. */
  hash: string
  /** Its user says something new with it. */
  hasWords?: boolean
  /** The new prompt, and what is to be otherwise than the task has it. */
  change: Partial<TaskSpec> & { prompt: string }
  /** From where it goes on, where that is not what was saved: what was put on top of it since. */
  onto?: Pick<ResumeFacts, 'ref' | 'commit'> & Partial<Pick<ResumeFacts, 'baseCommit'>>
}

/** Throws WRONG_STATE while the last attempt goes on, or brings its work home. */
export function refuseOpen(task: Task): void {
  const { id, status, step } = task
  if (!isTerminal(status)) {
    const why = `task ${id} is ${status} in attempt ${task.attempt}; what is sent to it now reaches its agent`
    throw new TdfError('WRONG_STATE', why, { hint: `tdf send ${id} "what to do next"` })
  }
  if (!isOver(task)) {
    const why = `the work of task ${id} is on its way home (${step}); it can go on from it in a moment`
    throw new TdfError('WRONG_STATE', why, { hint: `tdf wait ${id}` })
  }
}

/** Throws WRONG_STATE: what a running session was started with stays. */
export function refuseChange(id: string, { change }: ContinueRequest): void {
  const [other] = Object.keys(change).filter(name => name !== 'prompt')
  if (other === undefined) return
  const why = `the agent of task ${id} waits for you in its session, which takes your words and nothing else (${other})`
  throw new TdfError('WRONG_STATE', why, { hint: `tdf send ${id} "what to do next"` })
}

/**
 * The new limit, in USD, of a task that rests for what it may cost. Throws WRONG_STATE where that is not what holds it, where it is
 * not more than was spent, and for all else that is asked: the session that goes on was started with it.
 */
export function raisedLimit(task: Task, { change, hasWords = false }: ContinueRequest, spentUsd: number): number {
  const { id, spec, facts } = task
  const { prompt: _, maxCostUsd: limitUsd, fallback: __, ...others } = change
  const refuse = (why: string, hint: string) => new TdfError('WRONG_STATE', `task ${id} rests: ${why}`, { hint })
  if (facts.paused === 'window')
    throw refuse('a budget of many tasks is used, which no limit of its own changes', `tdf send ${id} allow`)
  const before = Number(spec.maxCostUsd)
  const more = `tdf continue ${id} --max-cost ${Math.ceil(Math.max(spentUsd, before) + 1)}`
  const [other] = [...(hasWords ? ['words'] : []), ...Object.keys(others)]
  if (!limitUsd || other !== undefined)
    throw refuse(`it goes on by a higher limit of cost${other === undefined ? '' : `, without more (${other})`}`, more)
  if (limitUsd > before && limitUsd > spentUsd) return limitUsd
  const spent = `$${spentUsd.toFixed(2)} of $${before.toFixed(2)}`
  throw refuse(`it has used ${spent}, and $${limitUsd.toFixed(2)} is not more`, more)
}

/** Whether work of an attempt that is over may still come home, as long as the node that holds it is asked for it. */
export const isAwaited = ({ facts }: Task) => facts.held === true && !facts.saved

/**
 * The newest of the attempts of which something was saved. Throws NO_RESULT when there is none, and WRONG_STATE while
 * more may come home, of that attempt or a later one.
 */
export function lastSaved(id: string, attempts: readonly Task[], mayCome: (attempt: Task) => boolean): Task {
  const saved = attempts.findLast(({ facts, result }) => facts.salvage !== undefined && result !== null)
  const awaited = attempts.find(attempt => attempt.attempt >= (saved?.attempt ?? 0) && mayCome(attempt))
  if (awaited) {
    const what = `the work of task ${id} (attempt ${awaited.attempt}) is still on ${awaited.nodeName}`
    throw new TdfError('WRONG_STATE', `${what}, and nothing goes on from less`, { hint: `tdf why ${id}` })
  }
  if (saved) return saved
  throw new TdfError('NO_RESULT', `nothing of task ${id} was saved, so there is nothing to go on from`, {
    hint: `tdf retry ${id}`,
  })
}

/** Agent and limit of cost stay as the last attempt had them; all else that is not asked anew is as at submit. */
export function changeFor(last: Task, { change }: ContinueRequest): ContinueRequest['change'] {
  const { agent, maxCostUsd = null, firstAgent, fallback } = last.spec
  // The agent that was at work last goes on, and the one that was asked for is among those behind it.
  const behind = firstAgent && fallback ? { fallback: { ...fallback, agents: agentsOf(last.spec) } } : {}
  return { agent, maxCostUsd, ...behind, ...change }
}

/** Throws WRONG_STATE when the task has cost what it may, or ended by that and gets no more. `spentUsd`: all its attempts, and the tasks that share its limit. */
export function refuseSpent({ id, verdict, spec }: Task, limitUsd: number | null, spentUsd: number): void {
  if (limitUsd === null) return
  const isNoMore = verdict === 'budget' && limitUsd <= (spec.maxCostUsd ?? 0)
  if (spentUsd < limitUsd && !isNoMore) return
  const spent = `$${spentUsd.toFixed(2)} of $${limitUsd.toFixed(2)}`
  const moreUsd = Math.ceil(Math.max(spentUsd, limitUsd) + 1)
  throw new TdfError(
    'WRONG_STATE',
    `task ${id} has used ${spent}, with all its attempts and the tasks that share this limit`,
    {
      hint: `tdf continue ${id} --max-cost ${moreUsd}`,
    },
  )
}

/** The conversation comes along where the same type of agent goes on with it; one that stays on its node, with the same agent. */
export function continuedFrom(
  saved: Task,
  { hash, onto }: ContinueRequest,
  change: ContinueRequest['change'],
): ContinuedTask {
  const from = { ...resumeOf(saved), ...onto }
  const { type, name } = saved.spec.agent
  const isSame = change.agent?.type === type && (from.onlyOn === undefined || change.agent.name === name)
  return { of: saved.attempt, from: isSame ? from : { ...from, resumeRef: null }, change, hash }
}

type ContinuedTask = Continued<Partial<TaskSpec>>
