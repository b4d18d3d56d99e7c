/** Refs, HEAD and what HEAD has left behind in the agent's repository, read line by line from its files. */
import { join } from 'node:path'
import { isObjectId, isRefName } from './listing.ts'
import { type Boundary, type GitFolder, isPlainFolder, namesInside, readInside } from './untrusted.ts'

export interface AgentRefs {
  /** Every ref by its full name; object ids are unproven: a ref can name anything. */
  all: ReadonlyMap<string, string>
  /** Newest first, as in `git stash list`. */
  stashes: string[]
}

/** What one work tree of the repository has checked out. */
export interface AgentHead {
  /** The commit that HEAD says it is at; null when it says nothing that can be read, or its branch has no commit. */
  commit: string | null
  /** The full name of the branch that is checked out; null when HEAD is detached. */
  branch: string | null
  /** HEAD names a branch that has no commit yet: nothing is lost by starting from another one. */
  isUnborn: boolean
  /** The other side of an open merge, rebase and the like, and its autostash, by the name of the file. */
  open: ReadonlyMap<string, string>
  /** Commits that a reset or a checkout went away from, the newest first. Others may reach them. */
  leftBehind: string[]
}

const REF_BYTES_MAX = 4 * 1024
const PACKED_BYTES_MAX = 64 * 1024 * 1024
const LOG_BYTES_MAX = 16 * 1024 * 1024
const REFS_MAX = 10_000
const LEFT_BEHIND_MAX = 1_000
const DEPTH_MAX = 32
const SYMBOLIC_MAX = 5

/** git-rebase(1), git-merge(1), git-bisect(1): where each keeps what it works on. */
const OPEN = [
  ...['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'MERGE_AUTOSTASH'],
  ...['rebase-merge/orig-head', 'rebase-merge/autostash', 'rebase-apply/orig-head', 'rebase-apply/autostash'],
]

export function readAgentRefs(boundary: Boundary, { shared }: GitFolder, oidLength: number): AgentRefs {
  const raw = rawRefs(boundary, shared, oidLength)
  const all = new Map<string, string>()
  for (const [name, value] of raw) {
    const oid = resolve(raw, value, oidLength)
    if (oid) all.set(name, oid)
  }
  return { all, stashes: readStashes(boundary, shared, all.get('refs/stash') ?? null, oidLength) }
}

export function readAgentHead(
  boundary: Boundary,
  { own }: GitFolder,
  { all }: AgentRefs,
  oidLength: number,
): AgentHead {
  const read = (name: string) => readInside(boundary, join(own, name), REF_BYTES_MAX)?.trim() ?? null
  const head = read('HEAD')
  const branch = /^ref: (refs\/heads\/\S+)$/.exec(head ?? '')?.[1] ?? null
  const open = OPEN.flatMap(name => {
    // An octopus merge has a line for each of its other sides.
    const oids = (read(name) ?? '').split('\n').filter(line => isObjectId(line, oidLength))
    return oids.map((oid, at): [string, string] => [at === 0 ? name : `${name}-${at + 1}`, oid])
  })
  return {
    commit: branch === null ? resolve(all, head, oidLength) : (all.get(branch) ?? null),
    branch,
    isUnborn: branch !== null && !all.has(branch),
    open: new Map(open),
    leftBehind: readLeftBehind(boundary, own, oidLength),
  }
}

/** Object ids that remotes were seen to have: what they reach is published. */
export function remoteTips({ all }: AgentRefs): string[] {
  return [...all].flatMap(([name, oid]) => (name.startsWith('refs/remotes/') ? [oid] : []))
}

/** Folders of the repository's linked work trees, by their ids. */
export function linkedFolders(boundary: Boundary, { shared }: GitFolder): { id: string; folder: GitFolder }[] {
  const parent = join(shared, 'worktrees')
  return namesInside(boundary, parent)
    .map(utf8)
    .filter(id => isPlainFolder(join(parent, id)))
    .map(id => ({ id, folder: { own: join(parent, id), shared } }))
}

function resolve(refs: ReadonlyMap<string, string>, value: string | null, oidLength: number, depth = 0): string | null {
  if (value === null || isObjectId(value, oidLength)) return value
  const target = /^ref: (\S+)$/.exec(value)?.[1]
  if (!target || !isRefName(target) || depth > SYMBOLIC_MAX) return null
  return resolve(refs, refs.get(target) ?? null, oidLength, depth + 1)
}

function rawRefs(boundary: Boundary, shared: string, oidLength: number): Map<string, string> {
  const refs = new Map(readPacked(boundary, shared, oidLength))
  for (const name of looseNames(boundary, shared)) {
    const value = readInside(boundary, join(shared, utf8(name)), REF_BYTES_MAX)?.trim()
    if (value) refs.set(name, value)
  }
  return refs
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

interface LogLine {
  before: string
  after: string
  message: string
}

/** Lines of a reflog are "old new who when zone<TAB>message", the newest last. */
function readLog(boundary: Boundary, path: string, oidLength: number): LogLine[] {
  const text = readInside(boundary, path, LOG_BYTES_MAX) ?? ''
  return text.split('\n').flatMap(line => {
    const [before = '', after = ''] = line.split(' ')
    const isWhole = isObjectId(before, oidLength) && isObjectId(after, oidLength)
    return isWhole ? [{ before, after, message: line.slice(line.indexOf('\t') + 1) }] : []
  })
}

/** Entry 0 is the ref itself. */
function readStashes(boundary: Boundary, shared: string, stash: string | null, oidLength: number): string[] {
  if (stash === null) return []
  const entries = readLog(boundary, join(shared, 'logs', 'refs', 'stash'), oidLength)
    .map(({ after }) => after)
    .reverse()
  return entries[0] === stash ? entries : [stash, ...entries]
}

/** What an amended commit or a rebase replaced lives on in what replaced it, and is passed over. */
function readLeftBehind(boundary: Boundary, own: string, oidLength: number): string[] {
  const gone = readLog(boundary, join(own, 'logs', 'HEAD'), oidLength)
    .filter(({ message }) => /^(?:reset|checkout): /.test(message))
    .map(({ before }) => before)
  return [...new Set(gone.reverse())].filter(oid => !/^0+$/.test(oid)).slice(0, LEFT_BEHIND_MAX)
}

function utf8(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}
