/** What has to be saved of a work tree: changed and untracked files, removed ones, and repositories within it. */

import { readdirSync, type Stats } from 'node:fs'
import { readAgentRefs, remoteTips } from './agent-refs.ts'
import { findGitFolder, type GitFolder } from './git-folder.ts'
import {
  agentIndex,
  type BytePath,
  bytes,
  differences,
  type IndexEntry,
  indexEntries,
  loadIndex,
  split,
  untracked,
} from './listing.ts'
import { statOf } from './untrusted.ts'
import type { View } from './view.ts'

export interface Candidate {
  path: BytePath
  size: number
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
}

export interface ScanContext {
  view: View
  /** Submodule commits that were there from the beginning, by path from the top: these are published. */
  baseGitlinks: Map<BytePath, string>
  /** Gets the full paths of what cannot be saved. */
  leaveOut(path: BytePath): void
  /** How many more repositories are looked into: a tree can hold any number of them, one in the other. */
  budget: { repositories: number }
}

export const REPOSITORIES_MAX = 500

/** `treeish` is what the tree is compared with; null for a repository within, all of which is content. */
export async function scanTree(
  context: ScanContext,
  tree: string,
  prefix: BytePath,
  treeish: string | null,
): Promise<TreeScan> {
  const { view } = context
  const at = { tree, index: view.newIndex() }
  await loadIndex(view, at, treeish)
  const scan: TreeScan = { ...at, prefix, files: [], removed: [], embedded: [] }
  const entries = treeish === null ? [] : await indexEntries(view, at)
  const { changed, removed } = await differences(view, at)
  const others = await untracked(view, at)
  const added = await agentIndex(view, findGitFolder(view.boundary, tree))

  scan.removed.push(...removed.filter(path => !added.skipped.has(path)))
  const within = new Set(others.filter(path => path.endsWith('/')).map(path => path.slice(0, -1)))
  for (const entry of entries) if (entry.isGitlink) await scanGitlink(context, scan, entry, within)
  for (const path of changed) {
    // A file that became a folder: what is in it is listed as untracked.
    if (statAt(scan, path)?.isDirectory()) scan.removed.push(path)
    else addFile(context, scan, path)
  }
  for (const path of others) if (!path.endsWith('/')) addFile(context, scan, path)
  const known = new Set([...entries.map(entry => entry.path), ...others])
  for (const path of forced(scan, added.paths, known, within)) addFile(context, scan, path)
  for (const path of within) {
    if (context.budget.repositories-- <= 0) context.leaveOut(prefix + path)
    else {
      const link = view.linkTo(absolute(scan, path))
      scan.embedded.push({ path, scan: await scanTree(context, link, `${prefix}${path}/`, null) })
    }
  }
  return scan
}

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
  else if (stat) context.leaveOut(scan.prefix + path)
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

/** Submodules in a commit, by path. */
export async function gitlinksOf(view: View, commit: string): Promise<Map<BytePath, string>> {
  const found = new Map<BytePath, string>()
  for (const line of split(await view.must(['ls-tree', '-r', '-z', commit]))) {
    const tab = line.indexOf('\t')
    const [mode, , oid = ''] = line.slice(0, tab).split(' ')
    if (mode === '160000') found.set(line.slice(tab + 1), oid)
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
  const { head } = readAgentRefs(view.boundary, repository, view.oidLength)
  if (head !== entry.oid) return false
  view.addAlternates(repository)
  const isPublished = context.baseGitlinks.get(path) === head || (await remoteHas(context, repository, head))
  if (!isPublished || context.budget.repositories-- <= 0) return false
  try {
    return isClean(await scanTree({ ...context, leaveOut: () => {} }, tree, `${path}/`, head))
  } catch {
    // Without its objects it cannot be compared: then its files are saved.
    return false
  }
}

async function remoteHas(context: ScanContext, repository: GitFolder, commit: string): Promise<boolean> {
  const { view } = context
  const tips = remoteTips(view.boundary, repository, view.oidLength)
  if (tips.length === 0) return false
  const input = [commit, '--not', ...tips].join('\n')
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
