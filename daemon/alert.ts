/** What nothing helps but its user, among the failures that people look at: once a day, however often it is met. */
import type { TdfError } from '../src/errors.ts'
import { post } from '../src/store/outbox.ts'
import type { Deps } from './deps.ts'

const DAY_MS = 24 * 3_600_000

/** `subject` names what it is about: a provider, or a node. */
export async function alert(
  { store, world }: Pick<Deps, 'store' | 'world'>,
  { source, subject }: { source: 'provider' | 'node'; subject: string },
  { code, message }: TdfError,
): Promise<void> {
  const at = world.clock.now()
  const id = `${source}-${subject}-${code}-${Math.floor(at / DAY_MS)}`
  const payload = { at, level: 'error', source, taskId: null, step: null, code, message }
  await store.commit(() => post(store.sql, { id, kind: 'error', payload, dueAt: at }))
}
