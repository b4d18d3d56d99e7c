/**
 * A conflict of a result that is to land, handed to the agent that made it (`tdf land --resolve`): the conversation goes on
 * once, from the merge of both with the marks of the conflict in it, and what comes of that lands in its place.
 */
import { createHash } from 'node:crypto'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { isOver, resultRefOf } from '../../../src/core/task.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { changeLanding, type Landing, rejoinLane } from '../../../src/store/tables/landings.ts'
import { landingSentences, resolvePrompt } from '../../../src/text/waiting.ts'
import { openContinued } from '../../engine/attempts.ts'
import type { ContinueRequest } from '../../engine/rules/continuing.ts'
import type { Engine } from '../../services.ts'
import type { GitResults } from '../git-results.ts'
import { mergeOf, mergeTree, nameStart } from '../merge.ts'
import type { Repository } from '../repository.ts'

export interface Conflict {
  landing: Landing
  task: ReadTask
  /** Where the branch is. */
  tip: string
  files: string[]
}

/** Null once the next attempt of the task is open; else why its agent is not asked, in words. */
export async function resolve(engine: Engine, repository: Repository, conflict: Conflict): Promise<string | null> {
  const { landing, task, tip, files } = conflict
  const { id, attempt, result } = task
  if (landing.resolvedIn !== null) return landingSentences.again(files, landing.resolvedIn)
  if (!landing.resolve || result === null) return landingSentences.conflict(files)
  const branch = landing.onto.replace(/^refs\/heads\//, '')
  const sides = { ours: result.commit, theirs: tip, base: branch }
  const { commit } = await mergeOf(repository, sides, task.completedAt ?? task.createdAt)
  const ref = await nameStart(repository, resultRefOf(id, attempt), commit)
  const prompt = resolvePrompt(branch, files)
  const request: ContinueRequest = {
    key: `land-${landing.number}`,
    hash: createHash('sha256').update(commit).digest('hex'),
    // Nobody is there to close its session.
    change: { prompt, interactive: false },
    onto: { ref, commit, baseCommit: tip },
  }
  try {
    await engine.store.commit(() => open(engine, conflict, request))
    return null
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.class !== 'permanent') throw error
    return landingSentences.notAsked(files, error.message)
  }
}

/** Inside a write: attempt and landing change together, so that there is one of both however often it is tried. Throws WRONG_STATE. */
function open(engine: Engine, { landing, task, tip }: Conflict, request: ContinueRequest): void {
  const { store, world } = engine
  const newest = readNewestAttempt(store.sql, task.id)
  if (newest?.attempt !== task.attempt) {
    throw new TdfError('WRONG_STATE', `it was continued or retried since attempt ${task.attempt}`)
  }
  const change = { state: 'resolving' as const, tip, merged: null, checkTask: null, resolvedIn: task.attempt + 1 }
  if (changeLanding(store.sql, landing, change, world.clock.now())) openContinued(engine, newest, request)
}

/** Null while the attempt goes on, and once its result waits to land; else why it does not, in words. */
export async function seeResolved(
  { store, world }: Pick<Engine, 'store' | 'world'>,
  results: Pick<GitResults, 'of'>,
  landing: Landing,
  task: ReadTask | undefined,
): Promise<string | null> {
  const { attempt, resolvedIn } = landing
  const from = task?.continued?.from
  if (!task || !from) return `attempt ${resolvedIn ?? attempt}, which was to resolve its conflict, is gone`
  if (!isOver(task)) return null
  if (task.status !== 'completed' && (await isWithNext({ store, world }, landing, task))) return null
  const repository = await results.of(task)
  const sides = await repository.must(['rev-parse', `${from.commit}^1`, `${from.commit}^2`])
  const [ours = '', theirs = ''] = sides.trim().split('\n')
  const merged = await mergeTree(repository, ours, theirs)
  const files = merged.kind === 'clean' ? [] : merged.files
  const not = (how: string) => landingSentences.notResolved(files, task.attempt, how)
  if (task.status !== 'completed')
    return not(task.error === null ? `was ${task.status}` : `ended: ${task.error.message}`)
  const made = task.result?.commit ?? from.commit
  if (made === from.commit) return not('changed nothing')
  const marked = await filesWithMarks(repository, made, { ours, theirs }, files)
  if (marked.length > 0) return not(`left the marks of it in ${marked.join(', ')}`)
  await store.commit(() => rejoinLane(store.sql, landing, world.clock.now()))
  return null
}

/** A machine lost it, or its user asked for it anew: the attempt with the same words is the one to resolve the conflict now. */
function isWithNext({ store, world }: Pick<Engine, 'store' | 'world'>, landing: Landing, task: ReadTask) {
  return store.commit(() => {
    const newest = readNewestAttempt(store.sql, task.id)
    if (!newest || newest.attempt === task.attempt || newest.continued?.hash !== task.continued?.hash) return false
    return changeLanding(store.sql, landing, { resolvedIn: newest.attempt }, world.clock.now())
  })
}

/** The marks name both commits (git-merge-tree(1)), so that no other text is taken for them. */
async function filesWithMarks(
  repository: Repository,
  commit: string,
  { ours, theirs }: { ours: string; theirs: string },
  files: readonly string[],
): Promise<string[]> {
  if (files.length === 0) return []
  const marks = ['-e', `<<<<<<< ${ours}`, '-e', `>>>>>>> ${theirs}`]
  const paths = files.map(file => `:(literal)${file}`)
  const found = await repository.may(['grep', '-l', '-z', '-F', ...marks, commit, '--', ...paths])
  if (found.exitCode !== 0 && found.exitCode !== 1)
    throw new TdfError('RESULT_BROKEN', `${commit} cannot be searched: ${found.stderr.trim()}`)
  return found.stdout.split('\0').flatMap(name => (name === '' ? [] : [name.slice(commit.length + 1)]))
}
