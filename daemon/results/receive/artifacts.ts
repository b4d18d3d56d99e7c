/** Artifacts at home: each is an object of our repository, held by the ref beside the result and the earlier ones of its kind. */
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { type Artifact, type Artifacts, filesRefOf } from '../../../src/core/saved.ts'
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import type { Repository } from '../repository.ts'
import type { Results } from '../results.ts'
import { assertCommits, refsUnder } from './receive.ts'

/**
 * What a node named and its commit has, beside what came `before`: of two with one path the newer counts. Throws RESULT_BROKEN.
 */
export async function artifactsAtHome(
  repository: Repository,
  before: Artifacts | null | undefined,
  named: Artifacts | null | undefined,
): Promise<Artifacts | null> {
  if (!named) return before ?? null
  const blobs = await blobsOf(repository, named.commit)
  const came = named.list.flatMap((one): Artifact[] => {
    const found = blobs.get(one.path)
    return found?.bytes === one.bytes ? [{ ...one, blob: found.blob }] : []
  })
  const all = new Map((before?.list ?? []).map(one => [one.path, one]))
  for (const one of came) if (all.get(one.path)?.sha256 !== one.sha256) all.set(one.path, one)
  return { commit: named.commit, list: [...all.values()] }
}

async function blobsOf(repository: Repository, commit: string): Promise<Map<string, { blob: string; bytes: number }>> {
  const listed = await repository.must(['ls-tree', '-r', '-z', '-l', '--full-tree', commit])
  const lines = listed.matchAll(/(?:^|\0)100644 blob ([0-9a-f]+) +(\d+)\t([^\0]+)/g)
  return new Map([...lines].map(([, blob = '', bytes, path = '']) => [path, { blob, bytes: Number(bytes) }]))
}

interface Home {
  of(task: Task): Promise<Repository>
  all(): Promise<Repository[]>
  /** Throws while there is no room for what comes home. */
  assertRoom(): void
  /** Where downloads lie. */
  folder: string
}

const HAVE_MAX = 1_000

export function artifactResults({
  of,
  all,
  assertRoom,
  folder,
}: Home): Pick<Results, 'keepArtifacts' | 'removeArtifacts'> {
  return {
    async keepArtifacts(task, named, fetch) {
      assertRoom()
      const repository = await of(task)
      const file = path.join(folder, `${task.id}-${task.attempt}-artifacts.bundle`)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      try {
        const mine = await refsUnder(repository, resultRefOf(task.id, task.attempt))
        if (await fetch([...new Set(mine.values())].slice(0, HAVE_MAX), file)) await repository.unpack(file)
        const kept = await repository.alone(() => keepArtifacts(repository, task, named))
        await repository.save()
        return kept
      } finally {
        await rm(file, { force: true })
      }
    },
    async removeArtifacts(forget) {
      let removed = 0
      for (const repository of await all()) {
        for (const { ref, ...key } of await artifactRefs(repository)) {
          if (!(await forget(key))) continue
          await repository.alone(() => repository.must(['update-ref', '-d', ref]))
          removed += 1
        }
        await repository.save()
      }
      return removed
    },
  }
}

/** Names what the check left, which goes on from what was at home. Doing it again changes nothing. Throws RESULT_BROKEN. */
async function keepArtifacts(repository: Repository, task: Task, named: Artifacts): Promise<Artifacts> {
  await assertCommits(repository, [named.commit])
  const files = await artifactsAtHome(repository, task.facts.salvage?.files, named)
  const ref = filesRefOf(resultRefOf(task.id, task.attempt))
  await repository.must(['update-ref', ref, named.commit])
  return files ?? named
}

/** Writes the content of an artifact into a file. Throws NOT_FOUND. */
export async function writeArtifact(repository: Repository, task: Task, name: string, file: string): Promise<void> {
  const found = task.facts.salvage?.files?.list.find(one => one.path === name)
  if (!found?.blob) {
    const message = `attempt ${task.attempt} of task ${task.id} has no artifact "${name}"`
    throw new TdfError('NOT_FOUND', message, { hint: `tdf artifacts ${task.id}` })
  }
  await repository.must(['cat-file', 'blob', found.blob], { outputFile: file })
}

/** Every ref that holds artifacts, with the attempt that it is of. */
async function artifactRefs(repository: Repository): Promise<{ ref: string; id: string; attempt: number }[]> {
  const patterns = ['refs/tdf/*/*-files', 'refs/tdf/*/*-others/earlier-*/files']
  const listed = await repository.must(['for-each-ref', '--format=%(refname)', ...patterns])
  return listed.split('\n').flatMap(ref => {
    const [, id, attempt] = /^refs\/tdf\/([^/]+)\/(\d+)-/.exec(ref) ?? []
    return id === undefined ? [] : [{ ref, id, attempt: Number(attempt) }]
  })
}
