/**
 * The submodules of a repository by url, one within the other too: each is fetched from where `.gitmodules` says, with what its own
 * host is read with, into the repository of its own source. Whoever wrote `.gitmodules` may be a stranger.
 */
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { submoduleRef } from '../../../src/core/source.ts'
import { withoutPasswords } from '../../../src/platform/git.ts'
import { addressOf, SUBMODULES_MAX, submodulesIn } from '../../../src/platform/objects/gitlinks.ts'
import type { Lines } from '../../../src/platform/world.ts'
import type { Engine } from '../../services.ts'
import type { GitResults } from '../git-results.ts'
import type { Repository } from '../repository.ts'
import { accessTo } from './access.ts'
import { type Call, fetchCommit } from './fetch.ts'

/** What a bundle holds beside the commit of a task. */
export interface Beside {
  /** Names to commits. */
  refs: ReadonlyMap<string, string>
  /** Folders of objects in which they are. */
  objects: readonly string[]
}

export const NOTHING: Beside = { refs: new Map(), objects: [] }

interface Place {
  repository: Repository
  url: string
  commit: string
}

/** Throws as `fetchCommit` does, naming the submodule; REPOSITORY_UNREADABLE also for an address that is not fetched. */
export async function fetchSubmodules(
  { config, secrets }: Pick<Engine, 'config' | 'secrets'>,
  { results, line }: { results: Pick<GitResults, 'open'>; line: Lines },
  top: Place,
  call: Omit<Call, 'access'>,
): Promise<Beside> {
  const refs = new Map<string, string>()
  const objects = new Set<string>()
  const pending = [top]
  for (const place of pending) {
    for (const { path: name, url: given, oid } of await submodulesIn(place.repository.may, place.commit)) {
      if (refs.has(submoduleRef(oid))) continue
      if (refs.size >= SUBMODULES_MAX) throw refused(place, name, `there are more than ${SUBMODULES_MAX} of them`)
      const url = addressOf(place.url, given)
      if (url === null) throw refused(place, name, `"${withoutPasswords(given)}" is no address that is fetched from`)
      const open = (idLength?: number) => results.open(url, idLength ?? oid.length)
      const access = await accessTo(url, config, secrets, await open())
      const { repository, commit } = await line(url, () =>
        fetchCommit(open, { url, ref: oid }, { ...call, access }),
      ).catch(error => {
        throw named(place, name, error)
      })
      refs.set(submoduleRef(oid), commit)
      objects.add(path.join(repository.dir, 'objects'))
      pending.push({ repository, url, commit })
    }
  }
  return { refs, objects: [...objects] }
}

const refused = (place: Place, name: string, why: string) =>
  named(place, name, new TdfError('REPOSITORY_UNREADABLE', why))

/** The same failure, of a submodule. */
function named({ url }: Place, name: string, thrown: unknown): unknown {
  if (!(thrown instanceof TdfError)) return thrown
  const message = `the submodule ${JSON.stringify(name)} of ${withoutPasswords(url)}: ${thrown.message}`
  const { hint, retryAfterMs } = thrown
  return new TdfError(thrown.code, message, {
    ...(hint ? { hint } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}
