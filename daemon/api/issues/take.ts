/**
 * Makes a task of an issue whose turn it is: what it says is read outside, then one write makes the task and remembers that. One that
 * was labelled again goes on with the pull request that it has.
 */
import { createHash } from 'node:crypto'
import { asTdfError } from '../../../src/core/errors.ts'
import { isOver, type Task } from '../../../src/core/task.ts'
import { waitsFor } from '../../../src/store/groups/edges.ts'
import { type IssueRow, readIssue, writeIssue } from '../../../src/store/intake/issues.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { readPush } from '../../../src/store/tables/pushes.ts'
import { issueWaits } from '../../../src/text/progress/issues.ts'
import { submitInside } from '../../engine/api.ts'
import { openAttempt, openContinued } from '../../engine/attempts.ts'
import type { Engine } from '../../services.ts'
import { assertRoom } from '../guard.ts'
import { accept, freshTaskId } from '../tasks/accept.ts'
import { requestOf, type Wished } from './request.ts'
import { type Scene, taskOf } from './scene.ts'
import type { ListedIssue } from './trackers/tracker.ts'

/** False for what cannot be taken as its template is, which its row says then. Throws FORGE_UNAVAILABLE, and DISK_LOW. */
export async function take(
  scene: Scene,
  row: IssueRow,
  issue: ListedIssue,
  blockers: readonly string[],
): Promise<boolean> {
  const { engine, tracker, source, templates, signal } = scene
  assertRoom(engine)
  const content = await tracker.content(issue)
  signal.throwIfAborted()
  try {
    const place = { dir: templates, repository: tracker.repository }
    const wished = requestOf(source, { ...issue, ...content }, place)
    await engine.store.commit(() => taken(scene, row, wished, blockers))
    return true
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.class !== 'permanent') throw error
    await engine.store.commit(() => {
      const seen = sameOf(engine, row)
      const [reason, updatedAt] = [issueWaits.template(error.message), engine.world.clock.now()]
      if (seen) writeIssue(engine.store.sql, { ...seen, reason, updatedAt })
    })
    return false
  }
}

/** Inside a write: the row as it was when it was decided about; undefined when it is another by now. */
function sameOf({ store }: Pick<Engine, 'store'>, row: IssueRow): IssueRow | undefined {
  const seen = readIssue(store.sql, row)
  return seen?.event === row.event && seen.state === 'waiting' ? seen : undefined
}

/** Inside a write. Throws what a submit throws. */
function taken({ engine, source }: Scene, row: IssueRow, wished: Wished, blockers: readonly string[]): void {
  const { store, world } = engine
  const seen = sameOf(engine, row)
  if (!seen) return
  const now = world.clock.now()
  const former = seen.task === null ? undefined : readNewestAttempt(store.sql, seen.task)
  const { id, attempt } = goOn(engine, seen, former, wished) ?? fresh(engine, seen, wished, blockers)
  const owed = source.writes.some(one => one !== 'fixes') ? ('start' as const) : null
  writeIssue(store.sql, { ...seen, state: 'taken', reason: null, task: id, attempt, owed, updatedAt: now })
}

const nameOf = ({ identity, source, issue, event }: IssueRow) => `issue:${hashOf([identity, source, issue, event])}`
const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)

function fresh(engine: Engine, row: IssueRow, { request, source }: Wished, blockers: readonly string[]) {
  const id = freshTaskId(engine.world.random)
  const after = blockers.flatMap(issue => blockingTask(engine, row, issue) ?? [])
  const spec = { ...accept(engine, id, { ...request, after }), source }
  const idempotencyKey = nameOf(row)
  const createdAt = engine.world.clock.now()
  return submitInside(engine, { id, spec, idempotencyKey, idempotencyHash: hashOf(idempotencyKey), createdAt })
}

/**
 * The task that an issue comes after: what this source made of the one that blocks it. Undefined where that is none, was removed, or was
 * cancelled with its issue; and where that task waits for what the issue itself was before, which would hold both for ever.
 */
function blockingTask(engine: Engine, row: IssueRow, blocker: string): string | undefined {
  const { sql } = engine.store
  const other = blocker === row.issue ? undefined : readIssue(sql, { ...row, issue: blocker })
  const task = other && taskOf(engine, other)
  if (!task || (other.state === 'gone' && task.verdict === 'cancelled')) return undefined
  return row.task !== null && waitsFor(sql, task.id, row.task) ? undefined : task.id
}

/** Undefined: nothing of it can go on. */
function goOn(engine: Engine, row: IssueRow, former: ReadTask | undefined, { request }: Wished) {
  if (!former || !isOver(former)) return undefined
  const { id, attempt } = former
  if (isUnbegun(former)) {
    openAttempt(engine, former, engine.world.clock.now())
    return { id, attempt: attempt + 1 }
  }
  if (!readPush(engine.store.sql, id)?.prUrl || former.result === null) return undefined
  const key = nameOf(row).replace(':', '-')
  return openContinued(engine, former, { key, hash: hashOf(key), change: { prompt: request.prompt } })
}

/** It was cancelled while it waited for a machine, since its issue was closed. */
const isUnbegun = ({ attempt, verdict, startedAt }: Task) =>
  attempt === 1 && verdict === 'cancelled' && startedAt === null
