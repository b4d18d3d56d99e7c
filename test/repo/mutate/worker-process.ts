/** The processes that run tests over the tree with the mutants: opened, asked, ended with all that they started. */
import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import type { Answer, Job } from './worker.ts'

const READY_MS_MAX = 120_000

/** `environment` is added to ours. Rejects when it is not ready in time. */
export function openWorker(environment: Record<string, string> = {}): Promise<ChildProcess> {
  const worker = fork(path.resolve('.cache/mutate/worker.js'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
    detached: true,
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the worker was not ready in time')), READY_MS_MAX)
    worker.once('exit', code => reject(new Error(`the worker ended with ${code}`)))
    worker.once('message', () => {
      clearTimeout(timer)
      resolve(worker)
    })
  })
}

/** Rejects when `alarm` fires, or when the worker ends or has ended. */
export function ask(worker: ChildProcess, job: Job, alarm: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the worker ended'))
    if (worker.exitCode !== null || worker.signalCode !== null) return ended()
    const late = () => reject(new Error('no answer'))
    worker.once('exit', ended)
    alarm.addEventListener('abort', late, { once: true })
    worker.once('message', (answer: Answer) => {
      worker.off('exit', ended)
      alarm.removeEventListener('abort', late)
      resolve(answer)
    })
    worker.send(job)
  })
}

/** Its tests run in processes of their own, which a hanging test would keep. */
export function endWorker(worker: ChildProcess): void {
  try {
    if (worker.pid !== undefined) process.kill(-worker.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
