/**
 * The submodules of a repository by url, one within the other too: each is fetched from where `.gitmodules` says, with what its own
 * host is read with, into the repository of its own source. Whoever wrote `.gitmodules` may be a stranger.
 */
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { submoduleRef } from '../../../src/core/source.ts'
import { hasPassword, isMetadataUrl, isRepositoryUrl, withoutPasswords } from '../../../src/platform/git.ts'
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

const SUBMODULES_MAX = 200

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
    for (const { name, url: given, oid } of await submodulesIn(place)) {
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

interface Submodule {
  name: string
  url: string
  oid: string
}

/** Those that the commit has and `.gitmodules` names an address for. */
async function submodulesIn({ repository, commit }: Place): Promise<Submodule[]> {
  const keys = ['--get-regexp', '^submodule\\..*\\.(path|url)$']
  const declared = await repository.may(['config', '-z', '--blob', `${commit}:.gitmodules`, ...keys])
  if (declared.exitCode !== 0) return []
  const said = new Map<string, { path?: string; url?: string }>()
  for (const entry of declared.stdout.split('\0').filter(Boolean)) {
    const [key = '', ...rest] = entry.split('\n')
    const [, section = '', what] = /^submodule\.(.*)\.(path|url)$/s.exec(key) ?? []
    said.set(section, {
      ...said.get(section),
      ...(what === 'path' ? { path: rest.join('\n') } : { url: rest.join('\n') }),
    })
  }
  const addresses = new Map([...said.values()].map(one => [one.path, one.url]))
  const listed = await repository.must(['ls-tree', '-r', '-z', '--full-tree', commit])
  return listed.split('\0').flatMap(row => {
    const [, oid, name = ''] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(row) ?? []
    const url = addresses.get(name)
    return oid === undefined || url === undefined ? [] : [{ name, url, oid }]
  })
}

/**
 * The address of a submodule, which may be relative to that of the repository it is in, on the same host (gitmodules(5)). Null for
 * what is not fetched: files of this machine, programs, options, metadata services.
 */
export function addressOf(parent: string, given: string): string | null {
  const url = /^\.\.?\//.test(given) ? relativeTo(parent, given) : given
  if (url === null || !isRepositoryUrl(url) || /^file:/i.test(url)) return null
  return hasPassword(url) || isMetadataUrl(url) ? null : url
}

function relativeTo(parent: string, given: string): string | null {
  const [, host = '', slash = '', folder = ''] = /^([a-z+]+:\/\/[^/]+|[^/:]+:)(\/?)(.*)$/i.exec(parent) ?? []
  const names = folder.split('/').filter(name => name !== '')
  for (const part of given.split('/').filter(name => name !== '' && name !== '.')) {
    if (part !== '..') names.push(part)
    else if (names.pop() === undefined) return null
  }
  return host === '' || names.length === 0 ? null : `${host}${slash}${names.join('/')}`
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
