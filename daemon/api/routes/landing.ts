/** `tdf fit` and `tdf land`: results against where their branch is by now, and onto it. */
import { Hono } from 'hono'
import { z } from 'zod'
import { TdfError } from '../../../src/core/errors.ts'
import { isTerminal } from '../../../src/core/task.ts'
import { nullable, objectId, parseBody, text } from '../../../src/protocol/shapes.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { type ReadTask, readAttempt, updateAttempt } from '../../../src/store/tables/attempts.ts'
import { readBundle } from '../../../src/store/tables/bundles.ts'
import {
  askForLanding,
  changeLanding,
  isOfAttempt,
  openLandings,
  readLanding,
} from '../../../src/store/tables/landings.ts'
import type { RunningEngine } from '../../build.ts'
import { fitsOf, type Tip } from '../../results/landing/fit.ts'
import { firstsOf, isFolder, laneOf, mergeAnew, settle } from '../../results/landing/lanes.ts'
import { isThere } from '../../results/merge.ts'
import type { Repository } from '../../results/repository.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { findAttempt } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'

const TASKS_MAX = 1_000

/** Of a folder: where its branch is, and the upload that brought it here. */
const tipBody = nullable(z.object({ onto: text(1024).min(1), commit: objectId, sha256: text(64) }))

/** All of one source. */
const fitBody = z.object({
  tasks: z.array(text(256).min(1)).min(1).max(TASKS_MAX),
  /** A branch of a url, which is asked for it; null: that from which the first task began. */
  ref: nullable(text(1024).min(1)),
  tip: tipBody,
})

const landBody = fitBody.extend({
  /** In place of the task's own. */
  check: nullable(text(64 * 1024).min(1)),
  isChecked: z.boolean(),
  squash: z.boolean(),
  resolve: z.boolean().default(false),
})

const movedBody = z.object({ state: z.enum(['landed', 'moved']), commit: objectId, tip: tipBody })
/** What a fetch calls a commit that no branch stands for. */
const NO_BRANCH = 'refs/heads/tdf-base'

interface Both {
  engine: RunningEngine
  parts: Control
}

export function fitRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store, world } = engine
  const { results } = parts
  const both = { engine, parts }
  const app = new Hono()

  app.post('/fit', async c => {
    const body = parseBody(fitBody, await jsonBody(c))
    const tasks = sameSource(body.tasks.map(reference => findAttempt(store.sql, reference)))
    const [first] = tasks
    const candidates = tasks.map(candidateOf)
    const repository = await results.of(first)
    const tip = await tipFor(both, first, repository, body, c.req.raw.signal)
    const fits = await fitsOf(repository, candidates, tip, world.clock.now())
    await store.answered(() => {
      for (const [at, { id, attempt }] of tasks.entries()) {
        const seen = readAttempt(store.sql, { id, attempt })
        const fit = fits[at]
        if (seen && fit) updateAttempt(store.sql, seen, { ...seen, facts: { ...seen.facts, fit } }, seen.updatedAt)
      }
    })
    return c.json(shown(store.sql, tasks))
  })

  return app
}

export function landingRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store, world } = engine
  const { results } = parts
  const both = { engine, parts }
  const app = new Hono()

  app.post('/landings', async c => {
    const body = parseBody(landBody, await jsonBody(c))
    const tasks = sameSource(body.tasks.map(reference => findAttempt(store.sql, reference)))
    for (const task of tasks) if (!isOnItsWay(store.sql, task)) candidateOf(task)
    const [first] = tasks
    const { onto, commit } = await tipFor(both, first, await results.of(first), body, c.req.raw.signal)
    if (onto === NO_BRANCH) throw new TdfError('USAGE', 'it began from no branch; name one by --onto', { field: 'ref' })
    await store.answered(() => {
      for (const { id: taskId, attempt, spec } of tasks) {
        const known = readLanding(store.sql, taskId)
        const now = world.clock.now()
        const { squash, resolve } = body
        // The same again changes nothing while it is on its way, nor when it has landed there.
        if (isOfAttempt(known, attempt) && known.state !== 'left' && known.onto === onto) {
          if (resolve && !known.resolve) changeLanding(store.sql, known, { resolve }, now)
          continue
        }
        const checkCommand = body.isChecked ? (body.check ?? spec.check) : null
        const ask = { taskId, attempt, source: spec.repo.url, onto, squash, resolve, checkCommand }
        askForLanding(store.sql, { ...ask, tip: isFolder(ask.source) ? commit : null }, now)
      }
    })
    return c.json(shown(store.sql, tasks))
  })

  /** Those that are named, and those whose branch, of a folder, waits to be moved in a lane of one of them. */
  app.get('/landings', c => {
    const tasks = (c.req.queries('task') ?? []).map(reference => findAttempt(store.sql, reference))
    const open = openLandings(store.sql)
    const lanes = new Set(tasks.flatMap(({ id }) => open.filter(one => one.taskId === id).map(laneOf)))
    const firsts = firstsOf(open).filter(one => lanes.has(laneOf(one)))
    const ready = firsts.filter(({ state, source }) => state === 'ready' && isFolder(source))
    const keys = ready.map(({ taskId: id, attempt, resolvedIn }) => ({ id, attempt: resolvedIn ?? attempt }))
    return c.json({ tasks: shown(store.sql, tasks), ready: shown(store.sql, keys) })
  })

  /** What became of the branch of a folder. */
  app.post('/landings/:task', async c => {
    const { id } = findAttempt(store.sql, c.req.param('task'))
    const body = parseBody(movedBody, await jsonBody(c))
    const landing = readLanding(store.sql, id)
    // Another command of its user's was first.
    if (landing?.state === 'ready' && landing.merged === body.commit) {
      const task = findAttempt(store.sql, `${id}@${landing.attempt}`)
      if (body.state === 'landed') await settle(engine, landing)
      else
        await mergeAnew(
          engine,
          landing,
          (await tipFor(both, task, await results.of(task), body, c.req.raw.signal)).commit,
        )
    }
    return c.json(taskJson(store.sql, findAttempt(store.sql, c.req.param('task'))))
  })

  return app
}

const shown = (sql: Sql, tasks: readonly Pick<ReadTask, 'id' | 'attempt'>[]) =>
  tasks.map(({ id, attempt }) => taskJson(sql, findAttempt(sql, `${id}@${attempt}`)))

/** Throws BUNDLE_MISSING, or what a fetch throws. */
async function tipFor(
  { engine, parts }: Both,
  task: ReadTask,
  repository: Repository,
  { ref = null, tip }: { ref?: string | null; tip: z.output<typeof tipBody> },
  signal: AbortSignal,
): Promise<Tip> {
  const { repo } = task.spec
  if (repo.kind === 'git') {
    const found = await engine.sources.tip(repo.url, ref ?? repo.ref, signal)
    return { onto: found.ref, commit: found.commit }
  }
  const row = tip && readBundle(engine.store.sql, tip.sha256)
  // A whole upload is taken in behind its answer.
  if (row && !(await isThere(repository, row.commit))) await parts.uploads.keep(row)
  if (tip && row?.commit === tip.commit && (await isThere(repository, tip.commit))) return tip
  throw new TdfError('BUNDLE_MISSING', `where ${tip?.onto ?? 'the branch'} of ${repo.url} is was not uploaded`)
}
/** Throws BAD_REQUEST. */
function sameSource(tasks: ReadTask[]): [ReadTask, ...ReadTask[]] {
  const [first, ...others] = tasks
  if (first && others.every(({ spec }) => spec.repo.url === first.spec.repo.url)) return [first, ...others]
  throw new TdfError('BAD_REQUEST', 'tasks: not all of them are of one repository')
}

/** Its agent may be at the conflict right now. */
function isOnItsWay(sql: Sql, { id, attempt }: ReadTask): boolean {
  const known = readLanding(sql, id)
  return isOfAttempt(known, attempt) && known.state === 'resolving'
}

/** Throws NO_RESULT. */
function candidateOf({ id, status, result, facts: { salvage } }: ReadTask) {
  if (isTerminal(status) && result && salvage) return { id, commit: result.commit, baseCommit: salvage.baseCommit }
  throw new TdfError('NO_RESULT', `task ${id} has no result that could fit: it is ${status}`, { hint: `tdf why ${id}` })
}
