/** Follows a probe file as it grows: which task was where at what wall-clock time. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

export interface Tail {
  /** Wall-clock ms of a tag by task, in the order in which they came. */
  times(tag: string): ReadonlyMap<string, number>
  /** How often a tag came, repeats included. */
  count(tag: string): number
  /** Resolves once a tag has come for so many tasks. */
  reach(tag: string, tasks: number, withinMs?: number): Promise<void>
  /** Calls back for each task that gets this tag from now on; answers how to stop that. */
  on(tag: string, listener: (id: string) => void): () => void
  stop(): void
}

const LOOK_MS = 4

/** Lines that are there already belong to an earlier life and are left out. */
export function createTail(file: string): Tail {
  const tags = new Map<string, { times: Map<string, number>; count: number; listeners: Set<(id: string) => void> }>()
  const of = (tag: string) => {
    const known = tags.get(tag) ?? {
      times: new Map<string, number>(),
      count: 0,
      listeners: new Set<(id: string) => void>(),
    }
    tags.set(tag, known)
    return known
  }
  let offset = existsSync(file) ? statSync(file).size : 0
  let rest = ''
  const chunk = Buffer.alloc(1 << 20)
  const timer = setInterval(look, LOOK_MS)

  function look(): void {
    if (!existsSync(file)) return
    const descriptor = openSync(file, 'r')
    for (let got = -1; got !== 0; offset += got) {
      got = readSync(descriptor, chunk, 0, chunk.length, offset)
      rest += chunk.toString('latin1', 0, got)
    }
    closeSync(descriptor)
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  }

  function take(line: string): void {
    const [id = '', tag = '', at] = line.split(' ')
    const known = of(tag)
    known.count += 1
    if (!known.times.has(id)) known.times.set(id, Number(at))
    for (const listener of known.listeners) listener(id)
  }

  return {
    times: tag => of(tag).times,
    count: tag => of(tag).count,
    async reach(tag, tasks, withinMs = 120_000) {
      const limit = performance.now() + withinMs
      while (of(tag).times.size < tasks) {
        if (performance.now() > limit) throw new Error(`only ${of(tag).times.size} of ${tasks} tasks came to "${tag}"`)
        await pause(LOOK_MS)
      }
    },
    on(tag, listener) {
      of(tag).listeners.add(listener)
      return () => void of(tag).listeners.delete(listener)
    },
    stop: () => clearInterval(timer),
  }
}
