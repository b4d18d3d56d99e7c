/** Runs `[notify] command` for each end that is in the outbox: at least once, and given up after a few tries. */
import process from 'node:process'
import { run } from '../../src/process.ts'
import { readAttempt } from '../../src/store/attempts.ts'
import { delivered, due, type OutboxItem, postpone } from '../../src/store/outbox.ts'
import type { Engine } from '../deps.ts'
import { taskJson } from '../view/task-json.ts'
import type { Sweep } from './sweep.ts'

const BATCH = 20
const TRIES_MAX = 5
const RETRY_MS = 30_000
const TIMEOUT_MS = 30_000
const OUTPUT_BYTES_MAX = 64 * 1024

export const notify: Sweep = {
  name: 'notify',
  everyMs: () => 500,
  async run(engine) {
    const { store, world } = engine
    const report = { told: 0, failed: 0 }
    for (const item of due(store.sql, 'notify', world.clock.now(), BATCH)) {
      const isTold = await tell(engine, item)
      const isLast = item.tries + 1 >= TRIES_MAX
      const again = world.clock.now() + RETRY_MS
      await store.commit(() => {
        if (isTold || isLast) delivered(store.sql, item.id)
        else postpone(store.sql, item.id, again)
      })
      report[isTold ? 'told' : 'failed'] += 1
    }
    return report
  },
}

/** The task as JSON on stdin, and what a one-line script wants in the environment. */
async function tell({ store, config, log }: Engine, { payload }: OutboxItem): Promise<boolean> {
  const [file, ...args] = config.notify.command
  const task = readAttempt(store.sql, { id: String(payload.taskId), attempt: Number(payload.attempt) })
  if (file === undefined || !task) return true
  const facts = {
    TDF_TASK_ID: task.id,
    TDF_STATUS: task.status,
    TDF_VERDICT: task.verdict ?? '',
    TDF_TITLE: task.spec.title,
  }
  const { exitCode, stderr, timedOut } = await run(file, args, {
    cwd: '/',
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...facts },
    input: JSON.stringify(taskJson(store.sql, task)),
    timeoutMs: TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
  })
  if (exitCode === 0) return true
  log.warn({ task: task.id, exitCode, timedOut, stderr: stderr.slice(0, 500) }, 'the notify command failed')
  return false
}
