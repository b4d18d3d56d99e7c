/** What lies in a workspace, and the work trees that the agent linked to its repository (git-worktree(1)), wherever they lie. */
import { chmodSync, existsSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Agent } from '../agent.ts'
import { knownSlotOf } from '../isolation/slots.ts'
import { listSessions } from '../sessions/folder.ts'
import { type Workspace, workTree } from '../workspaces/workspace.ts'
import { type AgentHead, type AgentRefs, linkedFolders, readAgentHead, readAgentRefs } from './agent-refs.ts'
import { makeReadable } from './tree/select.ts'
import {
  type Boundary,
  boundaryOf,
  findGitFolder,
  type GitFolder,
  readInside,
  resolveFrom,
  statOf,
} from './untrusted.ts'

export interface LinkedTree {
  id: string
  folder: GitFolder
  head: AgentHead
  /** Where its files are; null when they are not there. */
  tree: string | null
  /** For people: from the main work tree, or the whole path of one outside of it. */
  name: string
  /** Why its files cannot be looked at although they may be there; null otherwise. */
  obstacle: string | null
}

export interface LinkedOptions {
  boundary: Boundary
  folder: GitFolder
  refs: AgentRefs
  /** The real path of the main work tree. */
  workTree: string
  oidLength: number
  /** The user whose files they have to be. */
  uid: number
  /** False: those outside of the main work tree are not looked into. */
  mayLookOutside: boolean
  /** Nothing is changed then. */
  isLive: boolean
  /** Sessions saw other files than we do. */
  isConfined: boolean
}

const POINTER_BYTES_MAX = 8 * 1024
const LINKED_MAX = 200
const TOO_MANY = `more than ${LINKED_MAX} work trees are not looked into`

export function linkedTrees(options: LinkedOptions): LinkedTree[] {
  const { boundary, folder, refs, oidLength } = options
  return linkedFolders(boundary, folder).map(({ id, folder: own }, at) => {
    const head = readAgentHead(boundary, own, refs, oidLength)
    const place = at < LINKED_MAX ? placeOf(options, own, id) : { tree: null, name: id, obstacle: TOO_MANY }
    return { id, folder: own, head, ...place }
  })
}

type Place = Pick<LinkedTree, 'tree' | 'name' | 'obstacle'>

/** Its pointer is the agent's to write: the folder that it names has to point back, and to be the agent's own. */
function placeOf(options: LinkedOptions, folder: GitFolder, id: string): Place {
  const pointer = readInside(options.boundary, join(folder.own, 'gitdir'), POINTER_BYTES_MAX)?.trim()
  if (!pointer) return { tree: null, name: id, obstacle: null }
  const tree = dirname(resolveFrom(folder.own, pointer))
  const inner = relative(options.workTree, tree)
  const isInside = inner !== '' && inner !== '..' && !inner.startsWith('../')
  const name = isInside ? inner : tree
  const stat = statOf(tree)
  if (!stat) {
    const isHidden = options.isConfined && !isInside
    return { tree: null, name, obstacle: isHidden ? 'it lay outside of the work tree, within the sandbox' : null }
  }
  if (!stat.isDirectory()) return { tree: null, name, obstacle: null }
  if (stat.uid !== options.uid) return { tree: null, name, obstacle: 'it belongs to another user' }
  if (!options.isLive) openFolder(tree, stat.mode)
  if (!pointsBack(tree, folder)) return { tree: null, name, obstacle: null }
  if (isInside || options.mayLookOutside) return { tree, name, obstacle: null }
  return { tree: null, name, obstacle: 'it lies outside of the work tree and its session still runs' }
}

/**
 * Where a repository lies that was moved out of its work tree (`git init --separate-git-dir`); null when it was not, or
 * when the folder is not that user's own.
 */
export function separateGitDir(tree: string, uid: number): string | null {
  const target = gitdirOf(tree)
  if (target === null) return null
  const stat = statOf(target)
  return stat?.isDirectory() && stat.uid === uid ? target : null
}

/** What the `.git` of a tree points to, if that is a file. */
function gitdirOf(tree: string): string | null {
  const text = readInside(boundaryOf(tree), join(tree, '.git'), POINTER_BYTES_MAX)
  const target = /^gitdir: ([^\n]+)\n*$/.exec(text ?? '')?.[1]
  return target === undefined ? null : resolveFrom(tree, target)
}

function openFolder(path: string, mode: number): void {
  try {
    if ((mode & 0o700) !== 0o700) chmodSync(path, (mode & 0o7777) | 0o700)
  } catch {
    // What cannot be read then is named.
  }
}

function pointsBack(tree: string, { own }: GitFolder): boolean {
  const target = gitdirOf(tree)
  if (target === null) return false
  const [there, here] = [statOf(target), statOf(own)]
  return there !== undefined && here !== undefined && there.ino === here.ino && there.dev === here.dev
}

/** What lies in the workspace, before any of it is taken. */
export interface Found {
  /** Null when it is gone: an empty one would read as "everything was deleted". */
  tree: string | null
  /** The repository, where it lies outside of the work tree. */
  separate: string | null
  folder: GitFolder | null
  refs: AgentRefs
  head: AgentHead
  linked: LinkedTree[]
}

const NO_HEAD: AgentHead = { commit: null, branch: null, isUnborn: false, open: new Map(), leftBehind: [] }

export async function look(agent: Agent, workspace: Workspace, isLive: boolean): Promise<Found> {
  const tree = workTree(workspace)
  const none = { separate: null, refs: { all: new Map(), stashes: [] }, head: NO_HEAD, linked: [] }
  if (!existsSync(tree)) return { ...none, tree: null, folder: null }
  const uid = knownSlotOf(agent, workspace)?.uid ?? process.getuid?.() ?? 0
  if (!isLive) await makeReadable(tree, uid)
  // A session of another user could move a folder under our feet.
  const mayLookOutside = !isLive || workspace.record.slot === null
  const isConfined = listSessions(workspace).some(({ request }) => Boolean(request.sandbox))
  const separate = mayLookOutside && !isConfined ? separateGitDir(tree, uid) : null
  const boundary = boundaryOf(tree, ...(separate === null ? [] : [separate]))
  const folder = findGitFolder(boundary, tree)
  if (!folder) return { ...none, tree, folder }
  const oidLength = (workspace.record.baseCommit ?? '').length
  const refs = readAgentRefs(boundary, folder, oidLength)
  const linked = linkedTrees({
    ...{ boundary, folder, refs, oidLength, isLive, uid, mayLookOutside, isConfined },
    workTree: realpathSync(tree),
  })
  if (!isLive) for (const { tree: outside } of linked) if (outside !== null) await makeReadable(outside, uid)
  return { tree, separate, folder, refs, head: readAgentHead(boundary, folder, refs, oidLength), linked }
}
