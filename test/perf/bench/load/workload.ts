/** What is asked of a host: many tasks to their end, tasks that wait, callbacks at a steady rate. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Host } from './host.ts'

export const ids = (count: number, prefix = 't') => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Submits all of them, at most `at` at a time. */
export async function submitAll(host: Host, names: readonly string[], at = 64): Promise<void> {
  await shareOut(names, at, id => host.submit(id))
}

/** Submits and calls back; resolves when every task has ended. Answers the wall-clock time from first to last, in ms. */
export async function runToEnd(host: Host, names: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  const calls: Promise<unknown>[] = []
  const before = host.tail.times('done').size
  const stop = host.tail.on('park', id => {
    const call = host.callback(id)
    // One that fails is met below.
    call.catch(() => {})
    calls.push(call)
  })
  await submitAll(host, names)
  await host.tail.reach('done', before + names.length)
  await Promise.all(calls)
  stop()
  return performance.now() - startedAt
}

export async function park(host: Host, names: readonly string[]): Promise<void> {
  const before = host.tail.times('park').size
  await submitAll(host, names)
  await host.tail.reach('park', before + names.length)
}

/** Calls back at a steady rate; answers ms from sending to the begin of the next body, for each. */
export async function callAtRate(host: Host, names: readonly string[], perSecond: number): Promise<number[]> {
  const before = host.tail.times('done').size
  const sent = new Map<string, number>()
  const answers: Promise<boolean>[] = []
  const startedAt = performance.now()
  for (const [index, id] of names.entries()) {
    const dueMs = (index * 1000) / perSecond - (performance.now() - startedAt)
    if (dueMs > 0.5) await pause(dueMs)
    sent.set(id, performance.timeOrigin + performance.now())
    answers.push(host.callback(id))
  }
  const accepted = await Promise.all(answers)
  if (accepted.includes(false)) throw new Error('a callback came before its task waited')
  await host.tail.reach('done', before + names.length)
  const begun = host.tail.times('s6')
  return names.map(id => (begun.get(id) ?? Number.NaN) - (sent.get(id) ?? Number.NaN))
}

export async function shareOut<T>(items: readonly T[], at: number, act: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) await act(items[next++] as T)
  }
  await Promise.all(Array.from({ length: Math.min(at, items.length) }, worker))
}
