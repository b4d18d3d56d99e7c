/** `tdf fit`: results against where their branch is by now. */
import { Hono } from 'hono'
import { z } from 'zod'
import { TdfError } from '../../../src/core/errors.ts'
import { isTerminal } from '../../../src/core/task.ts'
import { nullable, objectId, parseBody, text } from '../../../src/protocol/shapes.ts'
import { type ReadTask, readAttempt, updateAttempt } from '../../../src/store/tables/attempts.ts'
import { readBundle } from '../../../src/store/tables/bundles.ts'
import type { RunningEngine } from '../../build.ts'
import { fitsOf, type Tip } from '../../results/landing/fit.ts'
import { isThere } from '../../results/landing/merge.ts'
import type { Repository } from '../../results/repository.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { findAttempt } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'

const TASKS_MAX = 1_000

/** All of one source. */
const fitBody = z.object({
  tasks: z.array(text(256).min(1)).min(1).max(TASKS_MAX),
  /** A branch of a url, which is asked for it; null: that from which the first task began. */
  ref: nullable(text(1024).min(1)),
  /** Of a folder: where its branch is, and the upload that brought it here. */
  tip: nullable(z.object({ onto: text(1024).min(1), commit: objectId, sha256: text(64) })),
})

export function landingRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store, world } = engine
  const { results } = parts
  const app = new Hono()

  app.post('/fit', async c => {
    const body = parseBody(fitBody, await jsonBody(c))
    const tasks = body.tasks.map(reference => findAttempt(store.sql, reference))
    const [first] = tasks
    if (!first || tasks.some(({ spec }) => spec.repo.url !== first.spec.repo.url)) {
      throw new TdfError('BAD_REQUEST', 'tasks: not all of them are of one repository')
    }
    const candidates = tasks.map(candidateOf)
    const repository = await results.of(first)
    const tip = await tipFor(first, repository, body, c.req.raw.signal)
    const fits = await fitsOf(repository, candidates, tip, world.clock.now())
    await store.commit(() => {
      for (const [at, { id, attempt }] of tasks.entries()) {
        const seen = readAttempt(store.sql, { id, attempt })
        const fit = fits[at]
        if (seen && fit) updateAttempt(store.sql, seen, { ...seen, facts: { ...seen.facts, fit } }, seen.updatedAt)
      }
    })
    return c.json(tasks.map(({ id, attempt }) => taskJson(store.sql, findAttempt(store.sql, `${id}@${attempt}`))))
  })

  async function tipFor(
    task: ReadTask,
    repository: Repository,
    { ref, tip }: z.output<typeof fitBody>,
    signal: AbortSignal,
  ): Promise<Tip> {
    const { repo } = task.spec
    if (repo.kind === 'git') {
      const found = await engine.sources.tip(repo.url, ref ?? repo.ref, signal)
      return { onto: found.ref, commit: found.commit }
    }
    const row = tip && readBundle(store.sql, tip.sha256)
    // A whole upload is taken in behind its answer.
    if (row && !(await isThere(repository, row.commit))) await parts.uploads.keep(row)
    if (tip && row?.commit === tip.commit && (await isThere(repository, tip.commit))) return tip
    throw new TdfError('BUNDLE_MISSING', `where ${tip?.onto ?? 'the branch'} of ${repo.url} is was not uploaded`)
  }
  return app
}

/** Throws NO_RESULT. */
function candidateOf({ id, status, result, facts: { salvage } }: ReadTask) {
  if (isTerminal(status) && result && salvage) return { id, commit: result.commit, baseCommit: salvage.baseCommit }
  throw new TdfError('NO_RESULT', `task ${id} has no result that could fit: it is ${status}`, { hint: `tdf why ${id}` })
}
