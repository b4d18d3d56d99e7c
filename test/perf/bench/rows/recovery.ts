/** A kill in the middle of waiting, and what waiting costs. */
import { setTimeout as pause } from 'node:timers/promises'
import { makeFolder, startHost } from '../load/host.ts'
import { ids, park, shareOut } from '../load/workload.ts'
import type { Row } from '../report.ts'

export async function recoveryRow(tasks = 2_000): Promise<Row> {
  const folder = makeFolder()
  const names = ids(tasks)
  const before = await startHost('tdf', folder.dir)
  await park(before, names)
  await before.kill()
  const host = await startHost('tdf', folder.dir)
  try {
    const calledAt = performance.now()
    await shareOut(names, 64, async id => void (await host.callback(id)))
    await host.tail.reach('done', tasks)
    const doneMs = performance.now() - calledAt
    const doubled = ['s6', 's7', 'done'].reduce((sum, tag) => sum + host.tail.count(tag) - tasks, 0)
    return {
      what: `SIGKILL with ${tasks} parked`,
      bar: 'answers ≤ 0.5 s, all done ≤ 3 s; 0 lost, 0 doubled',
      measured: `answers after ${(host.readyMs / 1000).toFixed(2)} s, done after ${(doneMs / 1000).toFixed(2)} s; 0 lost, ${doubled} doubled`,
      holds: host.readyMs <= 500 && doneMs <= 3_000 && doubled === 0,
    }
  } finally {
    await host.kill()
    folder.remove()
  }
}

export async function parkedRow(seconds: number, tasks = 10_000): Promise<Row> {
  const folder = makeFolder()
  const host = await startHost('tdf', folder.dir)
  try {
    await park(host, ids(tasks))
    await pause(3_000)
    const cpu = host.cpuMs()
    await pause(seconds * 1000)
    const percent = (host.cpuMs() - cpu) / (seconds * 10)
    const rss = host.rssBytes() / 2 ** 20
    return {
      what: `${tasks} parked tasks for ${seconds} s`,
      bar: '≤ 1 % of a core, ≤ 150 MB',
      measured: `${percent.toFixed(2)} %, ${rss.toFixed(0)} MiB`,
      holds: percent <= 1 && rss * 1.048576 <= 150,
    }
  } finally {
    await host.kill()
    folder.remove()
  }
}
