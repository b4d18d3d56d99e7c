/**
 * `npm run soak`, or fewer tasks: `npm run soak -- --tasks 20000`. A daemon runs a hundred thousand short tasks one after
 * the other, and what it takes of memory, disk and files must not grow. Exit 1 when a bound breaks or a task is missing.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { deleteTask } from '../../../src/store/tables/tasks.ts'
import { aSpec } from '../../support/builders.ts'
import { broken, figures, type Sample, sample } from './bounds.ts'
import { startSoakDaemon } from './daemon.ts'

const flag = process.argv.indexOf('--tasks')
const TASKS = flag < 0 ? 100_000 : Number(process.argv[flag + 1])
const AT_ONCE = 300
/** Tasks that are over stay until so many later ones are, as when `tdf prune` is run by a timer. */
const KEPT = Math.min(5_000, TASKS / 20)
const BATCH = 500
const SAMPLES = 60
const STUCK_MS = 120_000
/** No long timers of the model: what they hold would be counted. A busy agent has none for its idleness. */
const SPEC = aSpec({ timeoutMs: 5_000 }, { ms: 5, commits: 1, busy: true })

const dir = mkdtempSync(path.join(folder(), 'soak-'))
try {
  process.exitCode = await soak()
} finally {
  rmSync(dir, { recursive: true, force: true })
}
process.exit()

/** On the disk of the checkout: one in memory would sync for nothing. */
function folder(): string {
  mkdirSync('.cache', { recursive: true })
  return path.resolve('.cache')
}

async function soak(): Promise<number> {
  const { engine, stop } = await startSoakDaemon(dir)
  const verdicts = new Map<string, number>()
  const over: string[] = []
  const samples: Sample[] = []
  let [submitted, ended, removed, movedAt] = [0, 0, 0, performance.now()]
  engine.watchers.add(({ type, taskId, data }) => {
    if (type !== 'task.step' || data.to !== null || taskId === null) return
    movedAt = performance.now()
    ended += 1
    over.push(taskId)
  })
  const begun = performance.now()
  while (ended < TASKS) {
    const wanted = Math.min(AT_ONCE - (submitted - ended), TASKS - submitted)
    await Promise.all(Array.from({ length: wanted }, () => submit(`soak-${submitted++}`)))
    if (over.length > KEPT + BATCH) await forget(over.splice(0, BATCH))
    if (ended >= (TASKS / SAMPLES) * (samples.length + 1)) take()
    if (performance.now() - movedAt > STUCK_MS) throw new Error(`nothing has ended for two minutes, after ${ended}`)
    await pause(10)
  }
  const seconds = (performance.now() - begun) / 1_000
  await forget(over.splice(0))
  await stop()
  const cpuMs = (process.cpuUsage().user + process.cpuUsage().system) / 1_000 / TASKS
  const failed = [...broken(samples), ...(removed === TASKS ? [] : [`${TASKS - removed} tasks are missing`])]
  const wrong = [...verdicts].filter(([verdict]) => verdict !== 'unverified')
  failed.push(...wrong.map(([verdict, count]) => `${count} tasks ended as ${verdict}`))
  const pace = `${(TASKS / seconds).toFixed(0)} a second, ${cpuMs.toFixed(1)} ms of processor time each, models included`
  console.log(`${TASKS} tasks in ${seconds.toFixed(0)} s: ${pace}\n${figures(samples)}`)
  for (const sentence of failed) console.log(`FAILED: ${sentence}`)
  return failed.length === 0 ? 0 : 1

  async function submit(id: string): Promise<void> {
    const about = { idempotencyKey: null, idempotencyHash: null, createdAt: engine.world.clock.now() }
    await engine.submit({ id, spec: SPEC, ...about })
  }

  /** Every task is looked at once more before it goes. */
  async function forget(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const verdict = String(engine.query(id)?.verdict)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    }
    removed += ids.length
    await engine.store.commit(() => {
      for (const id of ids) deleteTask(engine.store.sql, id)
    })
  }

  function take(): void {
    samples.push(sample(ended, dir))
    const { heapBytes, rssBytes, diskBytes, files } = samples.at(-1) as Sample
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
    const seconds = ((performance.now() - begun) / 1_000).toFixed(0)
    console.log(
      `${seconds} s: ${ended} tasks, heap ${mib(heapBytes)}, resident ${mib(rssBytes)}, disk ${mib(diskBytes)}, ${files} files`,
    )
  }
}
