/**
 * Checkpoints: what a run had done so far, saved while it goes on or rests on a machine that may be lost. They lie beside
 * the results and are none; the newest becomes the attempt's result when nothing better can be had.
 */
import { TdfError } from '../../src/core/errors.ts'
import { resultRefOf, type Task } from '../../src/core/task.ts'
import type { Salvaged } from '../../src/protocol/agent-api.ts'
import type { Repository } from './repository.ts'

const FETCH_TIMEOUT_MS = 600_000

/** The node uses the same name. Beside it stand `-base`, where the work began, and `-salvaged` when we made the commit. */
export const checkpointRefOf = ({ id, attempt }: Pick<Task, 'id' | 'attempt'>) => `refs/tdf-checkpoint/${id}/${attempt}`

/** Null when there is none. */
export async function checkpointCommit(repository: Repository, ref: string): Promise<string | null> {
  const found = await repository.may(['rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`])
  return found.exitCode === 0 ? found.stdout.trim() : null
}

/** `file` is null when nothing new has to come. Throws RESULT_BROKEN. */
export async function keepCheckpoint(
  repository: Repository,
  task: Task,
  saved: Salvaged,
  file: string | null,
): Promise<void> {
  const ref = checkpointRefOf(task)
  const quiet = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']
  const wanted = [`+${ref}:${ref}-incoming`]
  if (file !== null) {
    await repository.must(['fetch', ...quiet, '--end-of-options', file, ...wanted], { timeoutMs: FETCH_TIMEOUT_MS })
  }
  for (const oid of [saved.commit, saved.baseCommit]) {
    if ((await checkpointCommit(repository, oid)) === null) {
      throw new TdfError('RESULT_BROKEN', `commit ${oid} of a checkpoint did not come home`)
    }
  }
  const ours = `${ref}-salvaged`
  const isMarked = (await checkpointCommit(repository, ours)) !== null
  const lines = [
    `update ${ref} ${saved.commit}`,
    `update ${ref}-base ${saved.baseCommit}`,
    ...(saved.salvaged ? [`update ${ours} ${saved.commit}`] : isMarked ? [`delete ${ours}`] : []),
    ...(file === null ? [] : [`delete ${ref}-incoming`]),
  ]
  await repository.must(['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` })
}

/** Makes the newest one the attempt's result; null when there is none. */
export async function takeCheckpoint(repository: Repository, task: Task): Promise<Salvaged | null> {
  const ref = checkpointRefOf(task)
  const commit = await checkpointCommit(repository, ref)
  const baseCommit = await checkpointCommit(repository, `${ref}-base`)
  if (commit === null || baseCommit === null) return null
  const salvaged = (await checkpointCommit(repository, `${ref}-salvaged`)) !== null
  const counted = await repository.must(['rev-list', '--count', '--end-of-options', `${baseCommit}..${commit}`])
  await repository.must(['update-ref', resultRefOf(task.id, task.attempt), commit])
  return { commit, baseCommit, ahead: Number(counted), salvaged, leftOut: [] }
}
