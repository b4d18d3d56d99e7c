/** Removes a task that is over. */
import { TdfError } from '../../../src/core/errors.ts'
import { isOver, isTerminal, type Task } from '../../../src/core/task.ts'
import { successorOf } from '../../../src/store/groups/edges.ts'
import { memberOf, membersOf, type StoredGroup } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { deleteTask } from '../../../src/store/tables/tasks.ts'
import type { Repository } from '../../results/repository.ts'
import type { Engine } from '../../services.ts'
import { undo } from '../cleanup.ts'

/**
 * Removes a task that is over: its rows, its tokens, its result. Tries what is left of the cleanup first, so that a removed
 * task leaves nothing behind. Throws WRONG_STATE while the task goes on or something of it is still outside.
 */
export async function removeTask(
  engine: Engine,
  task: Task,
  repository: Repository,
  signal: AbortSignal,
): Promise<void> {
  refuseUnfinished(engine.store.sql, task)
  for (let attempt = 1; attempt <= task.attempt; attempt++) {
    const [first] = await undo(engine, { id: task.id, attempt }, signal)
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
    // A task that is to come after it may have been submitted meanwhile.
    refuseUnfinished(engine.store.sql, task)
    deleteTask(engine.store.sql, task.id)
    const data = { before: task.status }
    engine.store.append({ type: 'task.removed', taskId: task.id, data }, engine.world.clock.now())
  })
  await engine.results.logs.remove(task.id)
  await repository.alone(() => dropRefs(repository, task.id))
  await repository.save()
}

/** Throws WRONG_STATE while something of the task is still to be done, or another one waits for it. */
export function refuseUnfinished(sql: Sql, task: Task): void {
  const successor = successorOf(sql, task.id)
  if (successor !== undefined) {
    const message = `task ${task.id} cannot be removed: task ${successor} waits for it`
    throw new TdfError('WRONG_STATE', message, { hint: `tdf why ${successor}` })
  }
  const race = task.spec.race ? memberOf(sql, task.id) : undefined
  if (race && isOpen(sql, race)) {
    const message = `task ${task.id} cannot be removed: its race ${race.name} goes on, and it may win it`
    throw new TdfError('WRONG_STATE', message, { hint: `tdf wait --group ${race.name}` })
  }
  if (isTerminal(task.status) && task.step === null) return
  const hint = isTerminal(task.status) ? `tdf why ${task.id}` : `tdf cancel ${task.id}`
  throw new TdfError('WRONG_STATE', `task ${task.id} is not over: it is ${task.status}, at ${task.step}`, { hint })
}

/** Whether a race may still be decided by itself. */
const isOpen = (sql: Sql, { name, winner }: StoredGroup) =>
  winner === null && membersOf(sql, name).some(id => !isOver(readNewestAttempt(sql, id) ?? GONE))
const GONE = { status: 'cancelled', step: null } as const

/** The objects go with the next collection; what names them goes now. */
async function dropRefs(repository: Repository, id: string): Promise<void> {
  const listed = await repository.must([
    'for-each-ref',
    '--format=delete %(refname)',
    `refs/tdf/${id}/**`,
    `refs/tdf/${id}/*`,
    `refs/tdf-checkpoint/${id}/**`,
    `refs/tdf-checkpoint/${id}/*`,
  ])
  if (listed.trim() !== '')
    await repository.must(['update-ref', '--stdin'], { input: [...new Set(listed.split('\n'))].join('\n') })
}
