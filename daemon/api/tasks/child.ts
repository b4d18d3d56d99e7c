/** A task that the agent of another one hands over: what it inherits, and within which limits. Never more than its parent may. */
import { createHash } from 'node:crypto'
import { TdfError } from '../../../src/core/errors.ts'
import type { TaskSpec } from '../../../src/core/task.ts'
import type { SPAWN_TOOLS } from '../../../src/protocol/callbacks.ts'
import { descendantsOf, readChild } from '../../../src/store/groups/children.ts'
import { type ReadTask, readNewestAttempt, usagesUntil } from '../../../src/store/tables/attempts.ts'
import type { NewTask } from '../../../src/store/tables/tasks.ts'
import type { RunningEngine } from '../../build.ts'
import { taskOfKey } from '../../engine/api.ts'
import { committedUsd } from '../../engine/effects/children.ts'
import { sum } from '../../engine/rules/usage.ts'
import { assertRoom } from '../guard.ts'
import { branchOf, freshTaskId, inheritedOf, titleOf } from './accept.ts'
import { checkBudget } from './agents.ts'

export type ChildWish = ReturnType<(typeof SPAWN_TOOLS)['submit_task']['input']['parse']>

/** The label by which people find the tasks that an agent has handed over. */
const PARENT_LABEL = 'parent'
/** Less is not worth a start, in USD. */
const SHARE_USD_MIN = 0.01

/** Answers its id: that of the first one, where its agent has asked for the same before. Throws FORBIDDEN. */
export async function submitChild(engine: RunningEngine, parent: ReadTask, wish: ChildWish): Promise<string> {
  const { store, world } = engine
  assertRoom(engine)
  const { idempotency_key: name = null, ...asked } = wish
  const idempotencyHash = createHash('sha256').update(JSON.stringify(asked)).digest('hex')
  // Of the task, not of its session: an agent that goes on elsewhere asks for the same again.
  const idempotencyKey = `spawn:${parent.id}:${name === null ? idempotencyHash : `key:${name}`}`
  const id = freshTaskId(world.random)
  await engine.submitAll(null, () => {
    if (taskOfKey(store.sql, idempotencyKey, idempotencyHash) !== undefined) return []
    const root = readChild(store.sql, parent.id)?.root ?? parent.id
    const spec = specOf(engine, id, parent, { ...asked, root })
    const child = { parent: parent.id, root }
    const task: NewTask = { id, spec, child, idempotencyKey, idempotencyHash, createdAt: world.clock.now() }
    return [task]
  })
  return taskOfKey(store.sql, idempotencyKey, idempotencyHash) ?? id
}

/** Inside a write. */
function specOf(
  engine: RunningEngine,
  id: string,
  parent: ReadTask,
  { root, prompt, title: given, check, max_cost: wantedUsd }: ChildWish & { root: string },
): TaskSpec {
  const { sql } = engine.store
  const inherited = inheritedOf(parent.spec)
  // The count is that of the task at the top, handed down.
  const { count, depth } = parent.spec.maySpawn ?? { count: 0, depth: 0 }
  const handedOver = descendantsOf(sql, root).length
  if (handedOver >= count) {
    throw new TdfError(
      'FORBIDDEN',
      `task ${root} may hand over ${count} tasks in all, and has handed over ${handedOver}`,
    )
  }
  const title = titleOf({ title: given ?? null, prompt, command: null })
  const maxCostUsd = shareOf(leftUsd(sql, root, parent), wantedUsd)
  if (maxCostUsd !== null) checkBudget(engine, inherited.agent)
  return {
    ...inherited,
    ...beginningOf(parent.spec),
    title,
    prompt,
    parent: parent.id,
    labels: { ...inherited.labels, [PARENT_LABEL]: parent.id },
    outputBranch: branchOf({ outputBranch: null }, id, title, inherited.repo),
    check: check ?? inherited.check,
    maxCostUsd,
    interactive: false,
    push: null,
    ...(depth > 1 ? { maySpawn: { count, depth: depth - 1 } } : {}),
  }
}

/** What its parent came after let that one go on, and may have been tried anew since, or be gone: the work of then counts. */
function beginningOf({ after }: TaskSpec): Pick<TaskSpec, 'after'> {
  return after && after.from.length > 0 ? { after: { ...after, ids: [] } } : {}
}

/** What the task at the top and all below it may still cost together; null without a limit. Once that one is removed, it is nothing. */
function leftUsd(sql: RunningEngine['store']['sql'], root: string, parent: ReadTask): number | null {
  const top = readNewestAttempt(sql, root) ?? parent
  const { maxCostUsd } = top.spec
  if (!maxCostUsd) return null
  const own = sum(usagesUntil(sql, top)).costUsd ?? 0
  return maxCostUsd - own - committedUsd(sql, root)
}

/** Without a wish it is half of what is left: the other half is for the others, and for the agent itself. */
function shareOf(left: number | null, wanted: number | undefined): number | null {
  if (left === null) return wanted ?? null
  const share = wanted ?? left / 2
  if (share <= left && share >= SHARE_USD_MIN) return share
  throw new TdfError(
    'FORBIDDEN',
    `$${share.toFixed(2)} is more than the $${Math.max(left, 0).toFixed(2)} that are left`,
  )
}
