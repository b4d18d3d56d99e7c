/** Listeners of the journal as it grows. They never block: each keeps its own bounded queue. */
import type { JournalEvent } from '../../src/store/tables/journal.ts'

export interface Watchers {
  publish(event: JournalEvent): void
  /** Answers how to stop listening. */
  add(listener: (event: JournalEvent) => void): () => void
  count(): number
}

/** `first` hears everything too and does not count as a watcher. */
export function createWatchers(first: (event: JournalEvent) => void = () => {}): Watchers {
  const listeners = new Set<(event: JournalEvent) => void>()
  return {
    publish: event => {
      first(event)
      for (const listener of listeners) listener(event)
    },
    add: listener => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    count: () => listeners.size,
  }
}
