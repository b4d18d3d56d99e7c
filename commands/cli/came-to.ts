/** What tasks came to, as an exit code: their verdict decides, not how the command went. */
import type { PullGoal } from '../../src/core/source.ts'
import { isOver, isPullOver, isSettled } from '../../src/core/task.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { needsInput } from '../../src/text/tasks.ts'

/** What is waited for by whoever submits and waits: with `--until` for the pull request. */
export const goalOf = ({ until }: { until?: PullGoal }): { isThere?: (task: TaskJson) => boolean } =>
  until === undefined ? {} : { isThere: isPullOver }

/** The first that is not 0; of a race that of its winner, and never 0 without one. */
export function groupExitCode(
  tasks: readonly TaskJson[],
  isThere: (task: TaskJson) => boolean,
  isGroup: boolean,
): number {
  const winner = isGroup ? tasks.find(({ group }) => group?.winner === true) : undefined
  const codes = (winner ? [winner] : tasks).map(task => exitCodeOf(task, isThere))
  const isLost = isGroup && !winner && tasks.every(task => task.group?.kind === 'race' && isOver(task))
  return codes.find(code => code !== 0) ?? (isLost ? NOT_REACHED : 0)
}

/** What a task came to, or 75 when it needs a person and 0 when less than its end was asked for. */
export function exitCodeOf(task: TaskJson, isThere: (task: TaskJson) => boolean = isSettled): number {
  if (isThere === isPullOver) return isPullOver(task) ? pullExitCode(task) : needsInput(task) ? 75 : 0
  if (isOver(task)) {
    if (task.status === 'completed') return task.push?.state === 'failed' ? 1 : 0
    if (task.status === 'cancelled') return 11
    return task.verdict === 'timeout' ? 12 : 10
  }
  if (isThere(task)) return 0
  return needsInput(task) ? 75 : 0
}

/** What became of a pull request that was waited for: that of a task that has none, or of a failed one, is not green. */
function pullExitCode(task: TaskJson): number {
  if (task.pr?.state === 'green' || task.pr?.state === 'merged') return 0
  return task.pr === null ? exitCodeOf(task) || NOT_REACHED : NOT_REACHED
}

const NOT_REACHED = 10
