/** Submodules as a commit has them, and where each is fetched from. Whoever wrote `.gitmodules` may be a stranger. */
import { TdfError } from '../../core/errors.ts'
import { gitOutput, hasPassword, isMetadataUrl, isRepositoryUrl } from '../git.ts'
import type { RunGit } from './pointers.ts'

/** How many of them one task gets, one within the other. */
export const SUBMODULES_MAX = 200
const LIST_BYTES_MAX = 256 * 1024 * 1024

export interface Gitlink {
  /** In the tree of the commit. */
  path: string
  /** The commit that is meant. */
  oid: string
}

export interface Submodule extends Gitlink {
  /** As `.gitmodules` has it. */
  url: string
}

/** Every one that the commit has. Throws REPOSITORY_UNREADABLE. */
export async function gitlinksIn(run: RunGit, commit: string): Promise<Gitlink[]> {
  const args = ['ls-tree', '-r', '-z', '--full-tree', commit]
  const ran = await run(args, { outputBytesMax: LIST_BYTES_MAX })
  const listed = gitOutput('ls-tree', ran, message => new TdfError('REPOSITORY_UNREADABLE', message))
  return listed.split('\0').flatMap(row => {
    const [, oid, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(row) ?? []
    return oid === undefined || path === undefined ? [] : [{ path, oid }]
  })
}

/** Those that `.gitmodules` names an address for. */
export async function submodulesIn(run: RunGit, commit: string): Promise<Submodule[]> {
  const keys = ['--get-regexp', '^submodule\\..*\\.(path|url)$']
  const declared = await run(['config', '-z', '--blob', `${commit}:.gitmodules`, ...keys])
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
  return (await gitlinksIn(run, commit)).flatMap(link => {
    const url = addresses.get(link.path)
    return url === undefined ? [] : [{ ...link, url }]
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
