/** Forgets a task that is over: its rows, its tokens, its result. Refused while anything of it stands outside. */
import { TdfError } from '../src/errors.ts'
import { cleanupsOf } from '../src/store/cleanups.ts'
import { deleteTask } from '../src/store/tasks.ts'
import { isTerminal, type Task } from '../src/task.ts'
import type { Engine } from './deps.ts'
import type { Repository } from './results/repository.ts'
import { undo } from './undo.ts'

/** Throws WRONG_STATE. Tries what is left of the cleanup first, so that a forgotten task leaves nothing behind. */
export async function removeTask(
  engine: Engine,
  task: Task,
  repository: Repository,
  signal: AbortSignal,
): Promise<void> {
  refuseUnfinished(task)
  for (let attempt = 1; attempt <= task.attempt; attempt++) {
    const left = await undo(engine, { id: task.id, attempt }, signal)
    const first =
      left[0] ?? cleanupsOf(engine.store.sql, { id: task.id, attempt }).find(({ state }) => state === 'pending')
    if (first) {
      const what =
        first.kind === 'salvage' ? 'its work is not saved' : `its workspace on ${first.nodeName} still stands`
      throw new TdfError(
        'WRONG_STATE',
        `task ${task.id} cannot be removed: ${what} (${first.error ?? 'not confirmed'})`,
        {
          hint: `tdf node show ${first.nodeName}`,
        },
      )
    }
  }
  await engine.store.commit(() => {
    deleteTask(engine.store.sql, task.id)
    engine.store.append({ type: 'task.removed', taskId: task.id, data: {} }, engine.world.clock.now())
  })
  await engine.results.logs.remove(task.id)
  await repository.alone(() => dropRefs(repository, task.id))
}

/** Throws WRONG_STATE while something of the task is still to be done. */
export function refuseUnfinished(task: Task): void {
  if (isTerminal(task.status) && task.step === null) return
  const hint = isTerminal(task.status) ? `tdf why ${task.id}` : `tdf cancel ${task.id}`
  throw new TdfError('WRONG_STATE', `task ${task.id} is not over: it is ${task.status}, at ${task.step}`, { hint })
}

/** The objects go with the next collection; what names them goes now. */
async function dropRefs(repository: Repository, id: string): Promise<void> {
  const listed = await repository.must([
    'for-each-ref',
    '--format=delete %(refname)',
    `refs/tdf/${id}/**`,
    `refs/tdf/${id}/*`,
    `refs/tdf-checkpoint/${id}/*`,
  ])
  if (listed.trim() !== '')
    await repository.must(['update-ref', '--stdin'], { input: [...new Set(listed.split('\n'))].join('\n') })
}
