/** What a task that is over still waits for on its way to a remote, or did not get there by. */
import { formatDurationShort } from '../../src/duration.ts'
import { readPush } from '../../src/store/pushes.ts'
import type { Task } from '../../src/task.ts'
import type { Engine } from '../deps.ts'

/** Undefined when nothing was to be pushed, or when it is there. */
export function whyPush(
  { store, world }: Pick<Engine, 'store' | 'world'>,
  task: Task,
): { sentence: string; command: string } | undefined {
  const push = task.step === null ? readPush(store.sql, task.id) : undefined
  if (push?.attempt !== task.attempt || push.state === 'pushed') return undefined
  const done = `It is ${task.status} (${task.verdict})`
  const what = push.pushedCommit === null ? push.branch : `the pull request of ${push.branch}`
  const because = push.error === null ? '' : ` (${push.error})`
  const command = `tdf push ${task.id}${push.wantsPr ? ' --pr' : ''}`
  if (push.state === 'failed') {
    return { sentence: `${done}, and ${what} did not get to ${push.remote}${because}.`, command }
  }
  const ms = push.dueAt - world.clock.now()
  const next = ms > 0 ? `the next try is in ${formatDurationShort(ms)}` : 'it is being tried'
  return { sentence: `${done}, and ${what} is on its way to ${push.remote}: ${next}${because}.`, command }
}
