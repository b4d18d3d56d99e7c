/**
 * What a confined command sees of the file system: everything read-only, of some places nothing, and its own places to
 * write. Of two places of which one lies in the other, each is what it was said to be.
 */
import { mkdirSync, realpathSync, statSync } from 'node:fs'
import type { SessionRequest } from '../sessions/folder.ts'
import { allOwnPlaces, CACHES, inHome, ownPlaces, SECRETS } from './places.ts'

/** *private*: empty, to write, gone with the command. */
export type Access = 'hidden' | 'private' | 'read' | 'write'

export interface Mount {
  /** Without links. */
  path: string
  isFolder: boolean
  access: Access
}

export interface Confined {
  request: SessionRequest
  promptFile: string
  /** The command's own. */
  env: Record<string, string>
}

/** Parents before what lies in them. What is not there is left out. Makes the folders of an agent that has none yet. */
export function mountsFor({ request, promptFile, env }: Confined): Mount[] {
  const { sandbox, type, command, workTree } = request
  const home = env.HOME || '/'
  const own = ownPlaces(type, command, env).map(path => inHome(home, path))
  // A login in a file of its own beside them is the user's to make.
  for (const path of own.filter(one => !one.endsWith('.json'))) mkdirSync(path, { recursive: true, mode: 0o700 })
  // The last word about a place counts.
  const wishes: [Access, readonly string[]][] = [
    ['private', ['/tmp', '/var/tmp', ...CACHES]],
    // Sockets are not stopped by a file system that is read-only: the user's bus alone would start anything outside.
    ['hidden', ['/run', '/var/run', ...SECRETS, ...allOwnPlaces(), ...(sandbox?.hidden ?? [])]],
    ['read', ['/etc/resolv.conf', ...(sandbox?.readable ?? [])]],
    ['write', [...own, ...(sandbox?.writable ?? [])]],
    ['read', [promptFile]],
    ['write', [workTree]],
  ]
  const mounts = new Map<string, Mount>()
  for (const [access, paths] of wishes) {
    for (const path of paths) {
      const found = look(inHome(home, path))
      if (found) mounts.set(found.path, { ...found, access })
    }
  }
  return [...mounts.values()].sort((one, other) => depth(one) - depth(other))
}

const depth = ({ path }: Mount) => path.split('/').length

function look(path: string): Omit<Mount, 'access'> | null {
  try {
    const real = realpathSync(path)
    return { path: real, isFolder: statSync(real).isDirectory() }
  } catch {
    return null
  }
}
