/** HEAD, branches and stashes of the agent's repository, read line by line from its files. */

import { join } from 'node:path'
import type { GitFolder } from './git-folder.ts'
import { isObjectId, isRefName } from './listing.ts'
import { type Boundary, isPlainFolder, namesInside, readInside } from './untrusted.ts'

export interface AgentRefs {
  /** The commit that HEAD says it is at; null when it says nothing that can be read, or its branch has no commit. */
  head: string | null
  /** HEAD names a branch that has no commit yet: nothing is lost by starting from another one. */
  isUnborn: boolean
  /** Full names to object ids, both unproven: a ref can name anything. */
  branches: Map<string, string>
  /** Newest first, as in `git stash list`. */
  stashes: string[]
}

const REF_BYTES_MAX = 4 * 1024
const PACKED_BYTES_MAX = 64 * 1024 * 1024
const LOG_BYTES_MAX = 16 * 1024 * 1024
const REFS_MAX = 10_000
const DEPTH_MAX = 32
const SYMBOLIC_MAX = 5

export function readAgentRefs(boundary: Boundary, folder: GitFolder, oidLength: number): AgentRefs {
  const refs = new Map<string, string>()
  const read = (path: string) => readInside(boundary, path, REF_BYTES_MAX)?.trim() ?? null
  for (const [name, oid] of readPacked(boundary, folder.shared, oidLength)) refs.set(name, oid)
  for (const name of looseNames(boundary, folder.shared)) {
    const value = read(join(folder.shared, utf8(name)))
    if (value !== null) refs.set(name, value)
  }
  const resolve = (value: string | null, depth = 0): string | null => {
    if (value === null || isObjectId(value, oidLength)) return value
    const target = /^ref: (\S+)$/.exec(value)?.[1]
    if (!target || !isRefName(target) || depth > SYMBOLIC_MAX) return null
    return resolve(refs.get(target) ?? null, depth + 1)
  }
  const branches = new Map<string, string>()
  for (const [name, value] of refs) {
    const oid = name.startsWith('refs/heads/') ? resolve(value) : null
    if (oid) branches.set(name, oid)
  }
  const stash = resolve(refs.get('refs/stash') ?? null)
  const head = read(join(folder.own, 'HEAD'))
  const target = /^ref: (refs\/heads\/\S+)$/.exec(head ?? '')?.[1]
  return {
    head: resolve(head),
    isUnborn: target !== undefined && !refs.has(target),
    branches,
    stashes: readStashes(boundary, folder.shared, stash, oidLength),
  }
}

/** Object ids that remotes were seen to have: what they reach is published. */
export function remoteTips(boundary: Boundary, folder: GitFolder, oidLength: number): string[] {
  const tips = new Map(readPacked(boundary, folder.shared, oidLength))
  for (const name of looseNames(boundary, folder.shared)) {
    const value = readInside(boundary, join(folder.shared, utf8(name)), REF_BYTES_MAX)?.trim()
    if (value && isObjectId(value, oidLength)) tips.set(name, value)
  }
  return [...tips].flatMap(([name, oid]) => (name.startsWith('refs/remotes/') ? [oid] : []))
}

function readPacked(boundary: Boundary, shared: string, oidLength: number): [string, string][] {
  const text = readInside(boundary, join(shared, 'packed-refs'), PACKED_BYTES_MAX) ?? ''
  const found: [string, string][] = []
  for (const line of text.split('\n')) {
    const [oid = '', name = ''] = line.split(' ')
    if (isObjectId(oid, oidLength) && isRefName(name) && found.length < REFS_MAX) found.push([name, oid])
  }
  return found
}

function looseNames(boundary: Boundary, shared: string): string[] {
  const found: string[] = []
  const visit = (name: string, depth: number) => {
    for (const entry of namesInside(boundary, join(shared, utf8(name)))) {
      const inner = `${name}/${entry}`
      if (found.length >= REFS_MAX || depth > DEPTH_MAX) return
      if (isPlainFolder(join(shared, utf8(inner)))) visit(inner, depth + 1)
      else if (isRefName(inner)) found.push(inner)
    }
  }
  visit('refs', 0)
  return found
}

/** Lines are "old new who when zone<TAB>message", the newest last; entry 0 is the ref itself. */
function readStashes(boundary: Boundary, shared: string, stash: string | null, oidLength: number): string[] {
  if (stash === null) return []
  const log = readInside(boundary, join(shared, 'logs', 'refs', 'stash'), LOG_BYTES_MAX) ?? ''
  const entries = log
    .split('\n')
    .map(line => line.split(' ')[1] ?? '')
    .filter(oid => isObjectId(oid, oidLength))
    .reverse()
  return entries[0] === stash ? entries : [stash, ...entries]
}

function utf8(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}
