/**
 * Checkpoints: what a run had done so far, saved while it goes on or rests on a machine that may be lost. They lie beside
 * the results and are none; the newest becomes the attempt's result when nothing better can be had.
 */
import { TdfError } from '../../../src/core/errors.ts'
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import { type Salvaged, salvaged } from '../../../src/protocol/salvage.ts'
import type { Repository } from '../repository.ts'
import { receiveRefs, refsUnder } from './receive.ts'

/** The node uses the same name. Beside it stand `-base`, where the work began, and `-answer`, all that the node said of it. */
export const checkpointRefOf = ({ id, attempt }: Pick<Task, 'id' | 'attempt'>) => `refs/tdf-checkpoint/${id}/${attempt}`

const answerRef = (ref: string) => `${ref}-answer`

/** Null when there is none. */
export async function checkpointCommit(repository: Repository, ref: string): Promise<string | null> {
  const found = await repository.may(['rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`])
  return found.exitCode === 0 ? found.stdout.trim() : null
}

/** What the node said of the newest one; null when there is none. */
export async function checkpointAnswer(repository: Repository, ref: string): Promise<Salvaged | null> {
  const found = await repository.may(['cat-file', 'blob', answerRef(ref)])
  const read = found.exitCode === 0 ? salvaged.safeParse(parsed(found.stdout)) : undefined
  return read?.data ?? null
}

/** `came` is what the unpacked bundle names, if one had to come. Throws RESULT_BROKEN. */
export async function keepCheckpoint(
  repository: Repository,
  task: Task,
  saved: Salvaged,
  came: ReadonlyMap<string, string>,
): Promise<void> {
  const ref = checkpointRefOf(task)
  const before = await checkpointAnswer(repository, ref)
  const beside = await receiveRefs(repository, ref, saved, came, before?.saved)
  const answer = JSON.stringify({ ...saved, saved: beside } satisfies Salvaged)
  const blob = (await repository.must(['hash-object', '-w', '--stdin'], { input: answer })).trim()
  const lines = [`update ${ref}-base ${saved.baseCommit}`, `update ${answerRef(ref)} ${blob}`]
  await repository.must(['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` })
}

/** Makes the newest one the attempt's result, with all that was saved beside it; null when there is none. */
export async function takeCheckpoint(repository: Repository, task: Task): Promise<Salvaged | null> {
  const ref = checkpointRefOf(task)
  const [commit, answer] = [await checkpointCommit(repository, ref), await checkpointAnswer(repository, ref)]
  if (commit === null) return null
  if (answer === null || answer.commit !== commit) return takeOld(repository, task, commit)
  const result = resultRefOf(task.id, task.attempt)
  const refs = [...(await refsUnder(repository, ref))].filter(([name]) => name !== `${ref}-base`)
  const lines = refs
    .filter(([name]) => name !== answerRef(ref))
    .map(([name, oid]) => `update ${result}${name.slice(ref.length)} ${oid}`)
  await repository.must(['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` })
  return { ...answer, saved: answer.saved.map(one => ({ ...one, ref: result + one.ref.slice(ref.length) })) }
}

/** One of an older version: its commit, and a mark when tdf made it. */
async function takeOld(repository: Repository, task: Task, commit: string): Promise<Salvaged | null> {
  const ref = checkpointRefOf(task)
  const baseCommit = await checkpointCommit(repository, `${ref}-base`)
  if (baseCommit === null) return null
  const isOurs = (await checkpointCommit(repository, `${ref}-salvaged`)) !== null
  const counted = await repository.must(['rev-list', '--count', '--end-of-options', `${baseCommit}..${commit}`])
  await repository.must(['update-ref', resultRefOf(task.id, task.attempt), commit])
  return { commit, baseCommit, ahead: Number(counted), salvaged: isOurs, saved: [], leftOut: [] }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new TdfError('RESULT_BROKEN', 'what a node said of a checkpoint cannot be read')
  }
}
