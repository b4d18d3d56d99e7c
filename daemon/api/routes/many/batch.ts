/** Tasks that are submitted together, all of them or none: each may come after the ones before it, and be one of a group. */
import { type Context, Hono } from 'hono'
import { asTdfError, TdfError } from '../../../../src/core/errors.ts'
import type { TaskSpec } from '../../../../src/core/task.ts'
import { parseBody } from '../../../../src/protocol/shapes.ts'
import { BATCH_BYTES_MAX, batchRequest, RACE_MAX } from '../../../../src/protocol/submit.ts'
import { membersOf, readGroup, taskOfMember } from '../../../../src/store/groups/groups.ts'
import type { Sql } from '../../../../src/store/sqlite/sql.ts'
import { hashOfTask, type NewTask } from '../../../../src/store/tables/tasks.ts'
import type { RunningEngine } from '../../../build.ts'
import { taskOfKey } from '../../../engine/api.ts'
import { assertRoom, jsonBody } from '../../guard.ts'
import { accept, freshTaskId } from '../../tasks/accept.ts'
import { findTask } from '../../tasks/find.ts'
import { taskJson } from '../../tasks/json.ts'
import { hashOf, traceOf } from '../tasks.ts'

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
  const race = group?.kind === 'race' ? { pick: group.pick, first: group.first } : undefined
  const isKnown = group !== null && refuseOther(store.sql, group, tasks.length)
  for (const [index, { key, idempotencyKey, fromCompleted, ...request }] of tasks.entries()) {
    const idempotencyHash = hashOf(request, race)
    const inGroup = group && key !== null ? taskOfMember(store.sql, group.name, key) : undefined
    const known = inGroup ?? taskOfKey(store.sql, idempotencyKey, idempotencyHash)
    if (isKnown && (known === undefined || hashOfTask(store.sql, known) !== idempotencyHash))
      throw otherRace(group.name)
    const id = known ?? freshTaskId(world.random)
    if (key !== null && named.has(key)) throw at(index, new TdfError('USAGE', `two tasks have the key "${key}"`))
    if (key !== null) named.set(key, id)
    ids.push(id)
    if (known !== undefined) continue
    if (race && request.maySpawn) throw at(index, new TdfError('USAGE', 'a member of a race hands no task over'))
    const accepted = acceptedAt(engine, index, id, renamed(request, named), fromCompleted)
    const spec = { ...accepted, ...traceOf(c), ...(race ? { race } : {}) }
    const member = group ? { group: group.name, key } : undefined
    yield { id, spec, member, idempotencyKey, idempotencyHash, createdAt: world.clock.now() }
  }
}

/**
 * Whether it is a race that is there already: then this has to be the same one again. Throws USAGE for what can be no race, and
 * WRONG_STATE where the name is that of a group of another kind.
 */
function refuseOther(sql: Sql, { name, kind, pick, first }: NonNullable<Batch['group']>, count: number): boolean {
  const hint = 'tdf submit --help'
  if (kind !== 'race' && (pick !== null || first))
    throw new TdfError('USAGE', 'a pick says who wins a race, and this group is none', { field: 'group.pick', hint })
  if (kind === 'race' && (count < 2 || count > RACE_MAX))
    throw new TdfError('USAGE', `a race has 2 to ${RACE_MAX} tasks, not ${count}`, { field: 'tasks', hint })
  const members = membersOf(sql, name).length
  // It was opened in the same write, where it was not there before.
  const known = readGroup(sql, name)?.kind ?? kind
  if (known === kind || (known !== 'race' && kind !== 'race')) return kind === 'race' && members > 0
  const message = `the group ${name} is there and is ${known === 'race' ? 'a race: no other task can run in it' : 'no race'}`
  throw new TdfError('WRONG_STATE', message, { field: 'group.name', hint: `tdf ls --group ${name}` })
}

const otherRace = (name: string) =>
  new TdfError('IDEMPOTENCY_CONFLICT', `the race ${name} is there already and asks for something else`, {
    hint: `tdf ls --group ${name}`,
  })

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
    const spec = accept(engine, id, request)
    return spec.after && fromCompleted ? { ...spec, after: { ...spec.after, fromCompleted } } : spec
  } catch (thrown) {
    throw at(index, asTdfError(thrown))
  }
}

/** Names the task by its place, counted from 0. */
function at(index: number, { code, message, hint, field }: TdfError): TdfError {
  return new TdfError(code, message, { hint, field: `tasks.${index}${field === undefined ? '' : `.${field}`}` })
}
