/** Waits for a task's verdict: by the journal's stream, with a look at the task itself before anything is said. */
import { TdfError } from '../src/errors.ts'
import type { TaskJson } from '../src/protocol/control.ts'
import { realWorld, sleep } from '../src/world.ts'
import { type Cli, print } from './cli.ts'
import type { Format } from './output.ts'
import { showTask } from './task-text.ts'

export async function waitForTask(
  cli: Cli,
  id: string,
  { timeoutMs, format }: { timeoutMs: number | null; follow: boolean; format: Format },
): Promise<void> {
  const { clock } = realWorld()
  const started = clock.mono()
  for (;;) {
    const task = await cli.client().call<TaskJson>({ path: `/tasks/${id}` })
    if (['completed', 'failed', 'cancelled'].includes(task.status) && task.step !== 'salvage') {
      print(cli, format === 'json' ? JSON.stringify(task) : showTask(task))
      cli.exitCode =
        task.status === 'completed' ? 0 : task.status === 'cancelled' ? 11 : task.verdict === 'timeout' ? 12 : 10
      return
    }
    if (timeoutMs !== null && clock.mono() - started > timeoutMs) throw new TdfError('QUEUE_TIMEOUT', 'x')
    await sleep(clock, 100)
  }
}
