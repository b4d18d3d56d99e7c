/** Whether a result exists elsewhere than in the daemon's copy: what `tdf rm` has to know before it forgets one. */
import type { EventJson, TaskJson } from '../../src/protocol/control.ts'
import type { Cli } from '../cli/cli.ts'

/** Noted in the journal by the daemon. */
const EVENT = 'task.taken'

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
export async function isOnlyCopy(cli: Cli, { id, attempt, result, push }: TaskJson): Promise<boolean> {
  if (!result || result.ahead === 0 || push?.state === 'pushed') return false
  const events = await cli.client().call<EventJson[]>({ path: `/tasks/${id}/events` })
  return !events.some(event => event.type === EVENT && event.attempt === attempt)
}
