/** Text about a task: its push, its result, whether it is over. */
import type { TaskJson } from '../protocol/control.ts'
import { oneLine } from './sanitize.ts'

export function pushText(push: TaskJson['push']): string {
  if (!push) return '-'
  const { state, remote, branch, prUrl, error, pushedCommit } = push
  const to = oneLine(`${branch} to ${remote}`)
  if (state === 'pushed') return `pushed ${to}${prUrl === null ? '' : `, pull request ${oneLine(prUrl)}`}`
  const why = error === null ? '' : `: ${oneLine(error)}`
  const what = pushedCommit === null ? to : `${to} with its pull request`
  return state === 'pending'
    ? `pushing ${what}${error === null ? '' : `, tried again after${why}`}`
    : `not pushed ${what}${why}`
}

export function resultLine({ result }: Pick<TaskJson, 'result'>): string {
  if (!result) return '-'
  if (result.ahead === 0) return 'no commits'
  const commits = result.ahead === 1 ? '1 commit' : `${result.ahead} commits`
  const files = result.filesChanged === 1 ? '1 file' : `${result.filesChanged} files`
  const saved = result.salvaged ? ', the last made by tdf from uncommitted work' : ''
  return `${commits} on ${oneLine(result.branch)}: ${files}, +${result.insertions} -${result.deletions}${saved}`
}

/** The verdict is final: what came home is known. Cleaning up may go on. */
export function isOver({ status, step }: TaskJson): boolean {
  return (status === 'completed' || status === 'failed' || status === 'cancelled') && step !== 'salvage'
}

/** And its push, where one was asked for, has ended one way or the other. */
export function isSettled(task: TaskJson): boolean {
  return isOver(task) && task.push?.state !== 'pending'
}

export function needsInput({ step }: TaskJson): boolean {
  return step === 'awaiting_followup'
}
