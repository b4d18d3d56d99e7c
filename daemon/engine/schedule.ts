/** The times at which subjects are due, as a binary heap: the earliest in O(1), a change in O(log n). */

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

const SPARE = 256

export function createSchedule(): Schedule {
  let heap: Entry[] = []
  // What counts is `times`; an entry of the heap that differs from it is stale and dropped when it comes up.
  const times = new Map<string, number>()

  function push(entry: Entry): void {
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (timeAt(parent) <= entry.at) break
      swap(index, parent)
      index = parent
    }
  }

  function pop(): Entry | undefined {
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      if (left >= heap.length) return top
      const child = left + 1 < heap.length && timeAt(left + 1) < timeAt(left) ? left + 1 : left
      if (timeAt(index) <= timeAt(child)) return top
      swap(index, child)
      index = child
    }
  }

  /** A wake that was pulled nearer leaves its entry behind, a day or more ahead: without this they would pile up. */
  function compact(): void {
    heap = []
    for (const [subject, at] of times) push({ subject, at })
  }

  const timeAt = (index: number) => heap[index]?.at ?? Number.POSITIVE_INFINITY

  function swap(one: number, other: number): void {
    const first = heap[one]
    const second = heap[other]
    if (!first || !second) return
    heap[one] = second
    heap[other] = first
  }

  function dropStale(): void {
    for (let top = heap[0]; top && times.get(top.subject) !== top.at; top = heap[0]) pop()
  }

  return {
    set(subject, at) {
      if (at === null) times.delete(subject)
      else if (times.get(subject) !== at) {
        times.set(subject, at)
        push({ subject, at })
        if (heap.length > 2 * times.size + SPARE) compact()
      }
    },
    earliest() {
      dropStale()
      return heap[0]?.at ?? null
    },
    take(now, max) {
      const taken: string[] = []
      for (dropStale(); taken.length < max && heap[0] && heap[0].at <= now; dropStale()) {
        const top = pop()
        if (!top) break
        times.delete(top.subject)
        taken.push(top.subject)
      }
      return taken
    },
    entries: () => heap.length,
    at: subject => times.get(subject),
  }
}
