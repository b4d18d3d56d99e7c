/** Tasks that are submitted together, all of them or none: each may come after the ones before it, and be one of a group. */
import { type Context, Hono } from 'hono'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import type { TaskSpec } from '../../../src/core/task.ts'
import { parseBody } from '../../../src/protocol/shapes.ts'
import { BATCH_BYTES_MAX, batchRequest } from '../../../src/protocol/submit.ts'
import { taskOfMember } from '../../../src/store/groups/groups.ts'
import type { NewTask } from '../../../src/store/tables/tasks.ts'
import type { RunningEngine } from '../../build.ts'
import { taskOfKey } from '../../engine/api.ts'
import { assertRoom, jsonBody } from '../guard.ts'
import { accept, freshTaskId } from '../tasks/accept.ts'
import { findTask } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'
import { hashOf, traceOf } from './tasks.ts'

type Batch = ReturnType<typeof batchRequest.parse>
type Asked = Batch['tasks'][number]

export function batchRoutes(engine: RunningEngine): Hono {
  const { sql } = engine.store
  const app = new Hono()
  app.post('/tasks/batch', async c => {
    const batch = parseBody(batchRequest, await jsonBody(c, BATCH_BYTES_MAX))
    assertRoom(engine)
    const ids: string[] = []
    await engine.submitAll(batch.group, () => {
      // A write that is taken back is run again.
      ids.length = 0
      return tasksOf(engine, batch, c, ids)
    })
    return c.json(ids.map(id => taskJson(sql, findTask(sql, id))))
  })
  return app
}

/** Inside the write: each is accepted once those before it are there. `ids` is filled with all of them, known ones too. */
function* tasksOf(engine: RunningEngine, { group, tasks }: Batch, c: Context, ids: string[]): Generator<NewTask> {
  const { store, world } = engine
  const named = new Map<string, string>()
  for (const [index, { key, idempotencyKey, fromCompleted, ...request }] of tasks.entries()) {
    const idempotencyHash = hashOf(request)
    const inGroup = group && key !== null ? taskOfMember(store.sql, group.name, key) : undefined
    const known = inGroup ?? taskOfKey(store.sql, idempotencyKey, idempotencyHash)
    const id = known ?? freshTaskId(world.random)
    if (key !== null && named.has(key)) throw at(index, new TdfError('USAGE', `two tasks have the key "${key}"`))
    if (key !== null) named.set(key, id)
    ids.push(id)
    if (known !== undefined) continue
    const spec = { ...acceptedAt(engine, index, id, renamed(request, named), fromCompleted), ...traceOf(c) }
    const member = group ? { group: group.name, key } : undefined
    yield { id, spec, member, idempotencyKey, idempotencyHash, createdAt: world.clock.now() }
  }
}

type Request = Omit<Asked, 'key' | 'idempotencyKey' | 'fromCompleted'>

function renamed(request: Request, named: ReadonlyMap<string, string>): Request {
  const idOf = (reference: string) => named.get(reference) ?? reference
  return { ...request, after: request.after.map(idOf), from: request.from.map(idOf) }
}

function acceptedAt(
  engine: RunningEngine,
  index: number,
  id: string,
  request: Request,
  fromCompleted: boolean,
): TaskSpec {
  try {
    const spec = accept({ ...engine, searchPath: process.env.PATH ?? '' }, id, request)
    return spec.after && fromCompleted ? { ...spec, after: { ...spec.after, fromCompleted } } : spec
  } catch (thrown) {
    throw at(index, asTdfError(thrown))
  }
}

/** Names the task by its place, counted from 0. */
function at(index: number, { code, message, hint, field }: TdfError): TdfError {
  return new TdfError(code, message, { hint, field: `tasks.${index}${field === undefined ? '' : `.${field}`}` })
}
