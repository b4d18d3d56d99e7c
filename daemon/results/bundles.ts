/** A bundle from which a workspace can be made: the whole history of a result, with the conversation that led to it. */
import { stat } from 'node:fs/promises'
import { TdfError } from '../../src/core/errors.ts'
import { largeOf, submoduleRef } from '../../src/core/source.ts'
import { type ResumeFacts, resultRefOf, type Task } from '../../src/core/task.ts'
import { hashFile, publishFile } from '../../src/platform/files.ts'
import { landingRefOf } from './landing/commit.ts'
import type { Repository } from './repository.ts'
import { largeFor } from './sources/large.ts'
import { writeBundle } from './sources/thin.ts'

const PACK_TIMEOUT_MS = 600_000

/** Throws RESULT_BROKEN when the saved work is not there as it was saved. */
export async function pack(
  repository: Repository,
  { ref, commit }: ResumeFacts,
  file: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; bytes: number }> {
  const session = `${ref}-session`
  const found = await repository.must(['for-each-ref', '--format=%(objectname) %(refname)', ref, session])
  const refs = new Map(
    found
      .split('\n')
      .filter(Boolean)
      .map(line => line.split(' ').reverse() as [string, string]),
  )
  if (refs.get(ref) !== commit)
    throw new TdfError('RESULT_BROKEN', `${ref} is ${refs.get(ref)}, and ${commit} was saved`)
  const fresh = `${file}.new`
  for (const oid of await submodulesOf(repository, commit)) refs.set(submoduleRef(oid), oid)
  for (const [name, oid] of (await largeFor(repository, commit, null)).refs) refs.set(name, oid)
  await writeBundle(repository, { refs }, fresh, { timeoutMs: PACK_TIMEOUT_MS, ...(signal ? { signal } : {}) })
  await publishFile(fresh, file)
  return { sha256: await hashFile(file), bytes: (await stat(file)).size }
}

/** Commits of submodules, also of those within, as far as they are here. */
async function submodulesOf(repository: Repository, commit: string): Promise<Set<string>> {
  const found = new Set([commit])
  for (const tree of found) {
    const listed = await repository.must(['ls-tree', '-r', '-z', '--full-tree', tree])
    const linked = [...listed.matchAll(/(?:^|\0)160000 commit ([0-9a-f]+)\t/g)].map(match => match[1] ?? '')
    if (linked.length === 0) continue
    const input = `${linked.map(oid => `${oid}^{commit}`).join('\n')}\n`
    const checked = await repository.must(['cat-file', '--batch-check=%(objectname) %(objecttype)'], { input })
    for (const [, oid = ''] of checked.matchAll(/^([0-9a-f]+) commit$/gm)) found.add(oid)
  }
  found.delete(commit)
  return found
}

/** Reading results: the difference, and a bundle for the CLI to fetch. */

/** Writes the result as a patch, or its summary, into `file`. Throws NO_RESULT while nothing came home. */
export async function writeDiff(repository: Repository, task: Task, stat: boolean, file: string): Promise<void> {
  const { baseCommit, commit } = savedOf(task)
  const how = stat ? ['--stat=120'] : ['--binary', '--full-index']
  const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--find-renames']
  await repository.must(['diff', ...plain, ...how, '--end-of-options', baseCommit, commit], { outputFile: file })
}

/**
 * Writes a bundle of the result, or of those of its refs that are `wanted`, into `file`, without what `have` holds. False
 * when there is nothing new in it.
 */
export async function bundleResult(
  repository: Repository,
  task: Task,
  { have, wanted }: { have: readonly string[]; wanted: readonly string[] },
  file: string,
): Promise<boolean> {
  const { saved } = savedOf(task)
  const known: string[] = []
  for (const oid of have) {
    if ((await repository.may(['cat-file', '-e', `${oid}^{commit}`])).exitCode === 0) known.push(`^${oid}`)
  }
  const ref = resultRefOf(task.id, task.attempt)
  const refs = [ref, landingRefOf(task.id, task.attempt), ...(saved ?? []).map(one => one.ref)].filter(name =>
    wanted.includes(name),
  )
  const asked = refs.length > 0 ? refs : [ref]
  const isNew = await repository.must(['rev-list', '--max-count=1', ...asked, ...known])
  if (isNew.trim() === '') return false
  await repository.must(['bundle', 'create', '--quiet', file, ...asked, ...known], { timeoutMs: 600_000 })
  return true
}

/** The content of files in Git LFS that the result points to and that its agent made. False where there is none. */
export async function bundleLarge(repository: Repository, task: Task, file: string): Promise<boolean> {
  savedOf(task)
  const ref = largeOf(resultRefOf(task.id, task.attempt))
  if ((await repository.may(['rev-parse', '--quiet', '--verify', ref])).exitCode !== 0) return false
  await repository.must(['bundle', 'create', '--quiet', file, ref], { timeoutMs: 600_000 })
  return true
}

function savedOf(task: Task): NonNullable<Task['facts']['salvage']> {
  const { salvage } = task.facts
  if (!task.result || !salvage) {
    throw new TdfError('NO_RESULT', `task ${task.id} has no result yet: it is ${task.status}`, {
      hint: `tdf why ${task.id}`,
    })
  }
  return salvage
}
