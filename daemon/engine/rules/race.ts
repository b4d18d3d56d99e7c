/** Races: tasks that are asked for the same, of which one wins. What a member's work is worth, and who has won. Pure. */
import { isOver, type Task } from '../../../src/core/task.ts'

/** The number in the last line that a pick printed; 0 where it is none. */
export function scoreIn(output: string): number {
  const text = output.trimEnd()
  const last = text.slice(text.lastIndexOf('\n') + 1).trim()
  // Number() would also take a hexadecimal one, or nothing at all for 0.
  const score = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(last) ? Number(last) : 0
  return Number.isFinite(score) ? score : 0
}

/** What the pick said the work is worth; null where it did not run, did not end, or said that the work is out. */
export function scoreOf({ facts: { pick } }: Pick<Task, 'facts'>): number | null {
  return pick?.ended && pick.exitCode === 0 ? (pick.score ?? 0) : null
}

/** Whether a member may win: it is completed, and the pick of its race, where there is one, has let it pass. */
export function isIn(task: Task): boolean {
  const hasPick = task.spec.race?.pick != null
  return isOver(task) && task.status === 'completed' && (!hasPick || scoreOf(task) !== null)
}

/**
 * The member that has won, now that `ended` is over: where the first one wins, `ended` itself, unless it changed nothing; else, once
 * all are over, the best of them. Null when all are over and none is in; undefined while the race goes on. `members` in the order of
 * the group, with `ended` among them.
 */
export function winnerOf(members: readonly Task[], ended: Task): Task | null | undefined {
  if (ended.spec.race?.first && isIn(ended) && hasChanged(ended)) return ended
  if (members.some(member => !isOver(member))) return undefined
  return members.filter(isIn).reduce<Task | null>((best, next) => (best && !isBetter(next, best) ? best : next), null)
}

const hasChanged = ({ verdict }: Task) => verdict !== 'no_change'

/** By its score, then by what it changed: something before nothing, less before more. Of equals the earlier member stays. */
function isBetter(next: Task, best: Task): boolean {
  const [more, less] = [scoreOf(next) ?? 0, scoreOf(best) ?? 0]
  if (more !== less) return more > less
  if (hasChanged(next) !== hasChanged(best)) return hasChanged(next)
  return sizeOf(next) < sizeOf(best)
}

/** In lines. */
const sizeOf = ({ result }: Task) => (result?.insertions ?? 0) + (result?.deletions ?? 0)

/** Of a race the branch of the winner alone is pushed, once it has won; but for a push that `tdf continue` was asked for. */
export const isPushedByRace = ({ spec, continued }: Task) =>
  spec.race !== undefined && continued?.change.push === undefined
