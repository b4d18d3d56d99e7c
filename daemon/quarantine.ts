/**
 * A task whose row cannot be read is left as it is: nothing of it is run, changed or removed, and everything else goes
 * on. It is put on record at each start, and `tdf db check` names it.
 */
import type { TdfError } from '../src/errors.ts'
import type { AttemptKey } from '../src/store/attempts.ts'
import { post } from '../src/store/outbox.ts'
import type { Engine } from './deps.ts'

export async function quarantine(engine: Engine, { id, attempt }: AttemptKey, error: TdfError): Promise<void> {
  const { store, log, world } = engine
  const at = world.clock.now()
  const { code, message } = error
  log.error({ task: id, attempt, code, err: message }, 'a task cannot be read and is left alone')
  const payload = { at, level: 'error', source: 'store', taskId: id, step: null, code, message, context: { attempt } }
  await store.commit(() => post(store.sql, { id: `corrupt-${id}-${attempt}-${at}`, kind: 'error', payload, dueAt: at }))
}
