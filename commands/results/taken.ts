/** Whether a result exists elsewhere than in the daemon's copy: what `tdf rm` has to know before it forgets one. */
import type { EventJson, TaskJson } from '../../src/protocol/control.ts'
import { neverTaken } from '../../src/text/tasks.ts'
import type { Cli } from '../cli/cli.ts'

/** The attempt that was looked at, for what follows: a later one may have been opened meanwhile. */
export const attemptOf = ({ id, attempt }: Pick<TaskJson, 'id' | 'attempt'>) => `${id}@${attempt}`

/** Best effort: a result that was taken and not noted costs one question. */
export async function noteTaken(cli: Cli, reference: string, how: 'pulled' | 'applied'): Promise<void> {
  await cli
    .client()
    .raw({ method: 'POST', path: `/tasks/${reference}/taken`, json: { how } })
    .catch(() => {})
}

/** True when the newest attempt has commits that were never pulled, pushed or applied. */
export async function isOnlyCopy(cli: Cli, task: TaskJson): Promise<boolean> {
  // Without commits of its own nothing is asked for.
  if (!neverTaken(task, [])) return false
  return neverTaken(task, await cli.client().call<EventJson[]>({ path: `/tasks/${task.id}/events` }))
}
