/** What has to be saved of a work tree: changed and untracked files, removed ones, and repositories within it. */
import { readdirSync, realpathSync, type Stats } from 'node:fs'
import type { Pointer } from '../../../platform/objects/pointers.ts'
import { readAgentHead, readAgentRefs, remoteTips } from '../agent-refs.ts'
import {
  agentIndex,
  type BytePath,
  bytes,
  type IndexEntry,
  type KnownIndex,
  loadIndex,
  split,
  statusOf,
} from '../listing.ts'
import { findGitFolder, type GitFolder, statOf } from '../untrusted.ts'
import type { View } from '../view.ts'
import type { LeaveOut } from './left-out.ts'

export interface Candidate {
  path: BytePath
  size: number
  /** It is saved as this, with what it is now beside the result; see large.ts. */
  pointer?: Pointer
}

export interface TreeScan {
  tree: string
  index: string
  /** From the top of the work tree, '' or ending with a slash. */
  prefix: BytePath
  files: Candidate[]
  removed: BytePath[]
  /** Saved as content in place of what the index has there. */
  embedded: { path: BytePath; scan: TreeScan }[]
  /** What the ignore rules name. */
  ignored: BytePath[]
  /** It has a .gitattributes that is tracked. */
  attributed: boolean
  /** What the index has. */
  entries: readonly IndexEntry[]
}

export interface ScanContext {
  view: View
  /** Submodule commits that were there from the beginning, by path from the top: these are published. */
  baseGitlinks(): Promise<Map<BytePath, string>>
  /** Of the tree itself, not of repositories within. */
  known: KnownIndex | null
  leaveOut: LeaveOut
  /** Untracked files that are kept beside the result, from the top. */
  artifacts: ReadonlySet<BytePath>
  /** A work tree of the same repository, which is saved on its own. */
  isLinked(path: Buffer): boolean
  holdsLinked(path: Buffer): boolean
  /** Folders of this tree that cannot be looked into: what is in them is not deleted. Each ends with a slash. */
  closed: readonly BytePath[]
  /** How many more repositories are looked into: a tree can hold any number of them, one in the other. */
  budget: { repositories: number }
}

const REPOSITORIES_MAX = 500
/** What is the same for all that is scanned of one tree. */
export function placesOf(
  { view, baseCommit, linkedPaths }: { view: View; baseCommit: string; linkedPaths: readonly Buffer[] },
  start: string | null,
): Pick<ScanContext, 'baseGitlinks' | 'isLinked' | 'holdsLinked' | 'budget'> {
  let gitlinks: Promise<Map<BytePath, string>> | undefined
  const isAt = (path: Buffer, test: (linked: Buffer, real: Buffer) => boolean) => {
    if (linkedPaths.length === 0) return false
    const real = realOf(path)
    return real !== null && linkedPaths.some(linked => test(linked, real))
  }
  return {
    baseGitlinks: async () => {
      gitlinks ??= start === null ? undefined : gitlinksOf(view, baseCommit).catch(() => new Map())
      return gitlinks ?? new Map()
    },
    isLinked: path => isAt(path, (linked, real) => linked.equals(real)),
    holdsLinked: path => isAt(path, (linked, real) => linked.subarray(0, real.length).equals(real)),
    budget: { repositories: REPOSITORIES_MAX },
  }
}

function realOf(path: Buffer): Buffer | null {
  try {
    return realpathSync(path, 'buffer')
  } catch {
    return null
  }
}

/** `treeish` is what the tree is compared with; null for a repository within, all of which is content. */
export async function scanTree(
  context: ScanContext,
  tree: string,
  prefix: BytePath,
  treeish: string | null,
  repository: GitFolder | null = findGitFolder(context.view.boundary, tree),
): Promise<TreeScan> {
  const { view } = context
  const at = { tree, index: view.newIndex() }
  const known = prefix === '' ? context.known : null
  await loadIndex(view, at, treeish, known)
  const { entries, changed, removed, untracked: others, ignored } = await statusOf(view, at)
  const attributed = entries.some(({ path }) => /(^|\/)\.gitattributes$/.test(path))
  const scan: TreeScan = { ...at, prefix, files: [], removed: [], embedded: [], ignored, attributed, entries }
  const added = await agentIndex(view, repository, known)

  const isClosed = (path: BytePath) => context.closed.some(folder => (prefix + path).startsWith(folder))
  scan.removed.push(...removed.filter(path => !added.skipped.has(path) && !isClosed(path)))
  const within = new Set(others.filter(path => path.endsWith('/')).map(path => path.slice(0, -1)))
  for (const entry of entries) if (entry.isGitlink) await scanGitlink(context, scan, entry, within)
  for (const path of changed) {
    // A file that became a folder: what is in it is listed as untracked.
    if (statAt(scan, path)?.isDirectory()) scan.removed.push(path)
    else if (!isClosed(path)) addFile(context, scan, path)
  }
  const isArtifact = (path: BytePath) => context.artifacts.has(prefix + path)
  for (const path of others) if (!path.endsWith('/') && !isArtifact(path)) addFile(context, scan, path)
  const listed = new Set([...entries.map(entry => entry.path), ...others])
  for (const path of forced(scan, added.paths, listed, within)) addFile(context, scan, path)
  for (const path of within) if (!context.isLinked(absolute(scan, path))) await embed(context, scan, path)
  return scan
}

/** A repository within: its files, and a word about the rest of it. */
async function embed(context: ScanContext, scan: TreeScan, path: BytePath): Promise<void> {
  const full = scan.prefix + path
  if (context.budget.repositories-- <= 0) return context.leaveOut(full, 'refused', { reason: TOO_MANY })
  const link = context.view.linkTo(absolute(scan, path))
  scan.embedded.push({ path, scan: await scanTree(context, link, `${full}/`, null) })
  context.leaveOut(`${full}/.git`, 'history')
}

const TOO_MANY = 'it is one of too many repositories within the work tree'
export function isClean(scan: TreeScan): boolean {
  return scan.files.length === 0 && scan.removed.length === 0 && scan.embedded.length === 0
}

export function absolute(scan: Pick<TreeScan, 'tree'>, path: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${scan.tree}/`), bytes(path)])
}

/** A submodule stays one while nothing of it would be lost by that; else its files take its place. */
async function scanGitlink(
  context: ScanContext,
  scan: TreeScan,
  entry: IndexEntry,
  within: Set<BytePath>,
): Promise<void> {
  const stat = statAt(scan, entry.path)
  if (!stat) scan.removed.push(entry.path)
  else if (!stat.isDirectory()) addFile(context, scan, entry.path)
  else if (!(await isUntouched(context, scan, entry))) within.add(entry.path)
}

function addFile(context: ScanContext, scan: TreeScan, path: BytePath): void {
  const stat = statAt(scan, path)
  if (stat?.isFile() || stat?.isSymbolicLink()) scan.files.push({ path, size: stat.size })
  // Gone since the listing: then it is not there to be saved. Fifos, sockets and devices are named.
  else if (stat) context.leaveOut(scan.prefix + path, 'special')
}

/** Added by the agent though the ignore rules name them, and not committed. */
function forced(scan: TreeScan, paths: BytePath[], known: Set<BytePath>, within: Set<BytePath>): BytePath[] {
  return paths.filter(path => {
    const parts = path.split('/')
    if (known.has(path) || parts.some(part => ['', '.', '..', '.git'].includes(part.toLowerCase()))) return false
    const folders = parts.slice(0, -1).map((_, depth) => parts.slice(0, depth + 1).join('/'))
    if (folders.some(folder => within.has(folder) || !statAt(scan, folder)?.isDirectory())) return false
    const stat = statAt(scan, path)
    return stat !== undefined && !stat.isDirectory()
  })
}

function statAt(scan: TreeScan, path: BytePath): Stats | undefined {
  return statOf(absolute(scan, path))
}

/** Submodules in a commit, by path; also those of submodules whose objects came with the repository. */
async function gitlinksOf(view: View, commit: string): Promise<Map<BytePath, string>> {
  const found = new Map<BytePath, string>()
  const pending = [{ prefix: '', commit }]
  for (const { prefix, commit } of pending) {
    const listed = await view.run(['ls-tree', '-r', '-z', commit])
    for (const line of listed.exitCode === 0 ? split(listed.stdout) : []) {
      const tab = line.indexOf('\t')
      const [mode, , oid = ''] = line.slice(0, tab).split(' ')
      if (mode !== '160000' || found.size >= REPOSITORIES_MAX) continue
      const path = prefix + line.slice(tab + 1)
      found.set(path, oid)
      pending.push({ prefix: `${path}/`, commit: oid })
    }
  }
  return found
}

/**
 * Whether a submodule may stay a mere pointer: its commit is to be had elsewhere, and its work tree is that commit.
 * A repository that an agent's `git add` took for a submodule has neither remote nor history elsewhere.
 */
export async function isUntouched(context: ScanContext, scan: TreeScan, entry: IndexEntry): Promise<boolean> {
  const { view } = context
  const folder = absolute(scan, entry.path)
  const path = scan.prefix + entry.path
  const tree = view.linkTo(folder)
  const repository = findGitFolder(view.boundary, tree)
  if (!repository) return isEmpty(folder)
  const refs = readAgentRefs(view.boundary, repository, view.oidLength)
  const { commit: head } = readAgentHead(view.boundary, repository, refs, view.oidLength)
  if (head !== entry.oid) return false
  view.addAlternates(repository)
  const isPublished =
    (await context.baseGitlinks()).get(path) === head || (await remoteHas(context, remoteTips(refs), head))
  if (!isPublished || context.budget.repositories-- <= 0) return false
  try {
    return isClean(await scanTree({ ...context, leaveOut: () => {} }, tree, `${path}/`, head))
  } catch {
    // Without its objects it cannot be compared: then its files are saved.
    return false
  }
}

async function remoteHas({ view }: ScanContext, tips: readonly string[], commit: string): Promise<boolean> {
  if (tips.length === 0) return false
  // git before 2.42 takes no `--not` there.
  const input = [commit, ...tips.map(tip => `^${tip}`)].join('\n')
  const missing = await view.run(['rev-list', '--count', '--ignore-missing', '--stdin'], { input: `${input}\n` })
  return missing.exitCode === 0 && missing.stdout.trim() === '0'
}

/** As a clone leaves a submodule that nobody asked for. */
function isEmpty(folder: Buffer): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return false
  }
}
