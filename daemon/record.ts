/** Puts something on the record. */
import type { NewEvent } from '../src/store/journal.ts'
import type { Engine } from './deps.ts'

/** Inside a write: appends to the journal, and tells those who watch once it is durable. */
export function record(engine: Pick<Engine, 'store' | 'watchers'>, event: NewEvent, now: number): void {
  const appended = engine.store.append(event, now)
  engine.store.afterCommit(() => engine.watchers.tell(appended))
}
