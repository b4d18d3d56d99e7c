/** Reading results: the difference, and a bundle for the CLI to fetch. */
import { TdfError } from '../../src/errors.ts'
import { resultRefOf, type Task } from '../../src/task.ts'
import type { Repository } from './repository.ts'

/** Writes the result as a patch, or its summary, into `file`. Throws NO_RESULT while nothing came home. */
export async function writeDiff(repository: Repository, task: Task, stat: boolean, file: string): Promise<void> {
  const { baseCommit, commit } = savedOf(task)
  const how = stat ? ['--stat=120'] : ['--binary', '--full-index']
  const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--find-renames']
  await repository.must(['diff', ...plain, ...how, '--end-of-options', baseCommit, commit], { outputFile: file })
}

/** Writes a bundle of the result into `file`, without what `have` holds. False when there is nothing new in it. */
export async function bundleResult(
  repository: Repository,
  task: Task,
  have: readonly string[],
  file: string,
): Promise<boolean> {
  const { commit } = savedOf(task)
  const known: string[] = []
  for (const oid of have) {
    if ((await repository.may(['cat-file', '-e', `${oid}^{commit}`])).exitCode === 0) known.push(`^${oid}`)
  }
  const ref = resultRefOf(task.id, task.attempt)
  const isNew = await repository.must(['rev-list', '--max-count=1', commit, ...known])
  if (isNew.trim() === '') return false
  await repository.must(['bundle', 'create', '--quiet', file, ref, ...known], { timeoutMs: 600_000 })
  return true
}

function savedOf(task: Task): { baseCommit: string; commit: string } {
  const { salvage } = task.facts
  if (!task.result || !salvage) {
    throw new TdfError('NO_RESULT', `task ${task.id} has no result yet: it is ${task.status}`, {
      hint: `tdf why ${task.id}`,
    })
  }
  return salvage
}
