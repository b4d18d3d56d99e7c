/** The times at which subjects are due, as a binary heap: the earliest in O(1), a change in O(log n); and the one timer. */
import type { Cancel, Clock } from '../../src/platform/world.ts'

export interface Schedule {
  /** Sets when a subject is due; null takes it out. */
  set(subject: string, at: number | null): void
  /** The earliest time at which anything is due. */
  earliest(): number | null
  /** Takes out and answers the subjects that are due, earliest first, at most `max`. */
  take(now: number, max: number): string[]
  /** How many entries are kept, stale ones among them: at most twice the subjects and a few. */
  entries(): number
  at(subject: string): number | undefined
}

interface Entry {
  at: number
  subject: string
}

/** So many stale entries are kept before the heap is made anew. */
const SPARE = 256

export function createSchedule(): Schedule {
  let heap = createHeap()
  // What counts is `times`; an entry of the heap that differs from it is stale and dropped when it comes up.
  const times = new Map<string, number>()

  /** A wake that was pulled nearer leaves its entry behind, a day or more ahead: without this they would pile up. */
  function compact(): void {
    heap = createHeap()
    for (const [subject, at] of times) heap.push({ subject, at })
  }

  function dropStale(): void {
    for (let top = heap.top(); top && times.get(top.subject) !== top.at; top = heap.top()) heap.pop()
  }

  return {
    set(subject, at) {
      if (at === null) times.delete(subject)
      else if (times.get(subject) !== at) {
        times.set(subject, at)
        heap.push({ subject, at })
        if (heap.size() > 2 * times.size + SPARE) compact()
      }
    },
    earliest() {
      dropStale()
      return heap.top()?.at ?? null
    },
    take(now, max) {
      const taken: string[] = []
      dropStale()
      for (let top = heap.top(); top && top.at <= now && taken.length < max; top = heap.top()) {
        heap.pop()
        times.delete(top.subject)
        taken.push(top.subject)
        dropStale()
      }
      return taken
    },
    entries: () => heap.size(),
    at: subject => times.get(subject),
  }
}

/** A binary heap of entries, the earliest on top. */
function createHeap() {
  const entries: Entry[] = []
  const timeAt = (index: number) => entries[index]?.at ?? Number.POSITIVE_INFINITY

  function swap(one: number, other: number): void {
    const first = entries[one]
    const second = entries[other]
    if (!first || !second) return
    entries[one] = second
    entries[other] = first
  }

  function sink(from: number): void {
    let index = from
    for (;;) {
      const left = 2 * index + 1
      const child = timeAt(left + 1) < timeAt(left) ? left + 1 : left
      if (timeAt(index) <= timeAt(child)) return
      swap(index, child)
      index = child
    }
  }

  return {
    size: () => entries.length,
    top: () => entries[0],
    push(entry: Entry): void {
      let index = entries.push(entry) - 1
      while (index > 0) {
        const parent = (index - 1) >> 1
        if (timeAt(parent) <= entry.at) break
        swap(index, parent)
        index = parent
      }
    },
    /** Takes the top out. */
    pop(): void {
      const last = entries.pop()
      if (!last || entries.length === 0) return
      entries[0] = last
      sink(0)
    },
  }
}

/** One timer, set to the earliest time that is asked for: a round too early does nothing, a timer for each change costs more. */
export function createAlarm(clock: Clock, ring: () => void) {
  let timer: { cancel: Cancel; dueMono: number } | undefined

  function drop(): void {
    timer?.cancel()
    timer = undefined
  }

  return {
    drop,
    set(ms: number): void {
      const dueMono = clock.mono() + ms
      if (timer && timer.dueMono <= dueMono) return
      drop()
      const cancel = clock.timer(ms, () => {
        // It is asked there how late it is.
        ring()
        drop()
      })
      timer = { dueMono, cancel }
    },
    lateMs: () => (timer ? Math.max(clock.mono() - timer.dueMono, 0) : 0),
  }
}
