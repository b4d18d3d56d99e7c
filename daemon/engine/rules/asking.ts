/** What a task asks of its user, and by which words that can be answered from afar. Pure. */
import { isTerminal, type Task } from '../../../src/core/task.ts'

/** *allow* and *deny* answer a permission, and *allow* lets what rests for its money cost more; *continue* lets an agent go on that has stopped; *cancel* ends the task. */
export type Verb = 'allow' | 'deny' | 'continue' | 'cancel'

export interface Asking {
  /** Names what is asked among all that the attempt ever asks. */
  about: string
  verbs: readonly Verb[]
  /** When nobody waits for the answer any more, Unix ms; null: no such time. */
  until: number | null
}

/** Null where no such word would change anything. */
export function askingOf(task: Task): Asking | null {
  const { status, step, facts, sessionId, deadlineAt } = task
  const ask = (what: unknown[], verbs: readonly Verb[], until: number | null = null): Asking => {
    return { about: JSON.stringify(what), verbs, until }
  }
  if (isTerminal(status)) {
    return status === 'failed' && facts.session ? ask(['failed'], ['continue']) : null
  }
  if (step === 'awaiting_followup' && facts.question) {
    // A node may use the number of one question for another.
    const { requestId, tool, detail } = facts.question
    return ask(['permission', sessionId, requestId, tool, detail], ['allow', 'deny', 'cancel'], deadlineAt)
  }
  if (step === 'awaiting_followup') return ask(['followup', sessionId], ['continue', 'cancel'], deadlineAt)
  if (status === 'parked' && facts.paused)
    return ask(['paused', facts.paused, facts.parks], ['allow', 'cancel'], task.parkedUntil)
  if (status === 'parked') return ask(['parked', facts.parks], ['cancel'])
  return facts.blocked ? ask(['blocked', facts.blocked], ['cancel']) : null
}

/** What the agent of a task is told by *continue*. */
export const GO_ON = 'Go on until the task is done.'

/** How much more is given to what has cost what it may, as a share of that limit. */
export const GRANT = 0.25

/** The limit of a task that goes on although it has cost what it may, in USD; null where that is not what it ended by. */
export function grantedUsd({ verdict, spec }: Pick<Task, 'verdict' | 'spec'>, spentUsd: number): number | null {
  const { maxCostUsd } = spec
  if (verdict !== 'budget' || !maxCostUsd) return null
  return Math.ceil((Math.max(spentUsd, maxCostUsd) + maxCostUsd * GRANT) * 100) / 100
}
