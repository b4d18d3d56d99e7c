/** An orderly end: what was begun is undone in reverse, once, however often the end is asked for. */

export type Undo = () => Promise<void> | void

export interface Shutdown {
  /** Begins it; a second call changes nothing. */
  stop(): void
  /** Resolves when everything is undone. */
  ended: Promise<void>
  /** Adds what has to be undone; the last comes first. */
  undoLater(undo: Undo): void
}

export function createShutdown(): Shutdown {
  const undos: Undo[] = []
  let stop = () => {}
  const stopped = new Promise<void>(resolve => (stop = resolve))
  const ended = stopped.then(async () => {
    for (const undo of undos.reverse()) await undo()
  })
  return { stop, ended, undoLater: undo => void undos.push(undo) }
}
