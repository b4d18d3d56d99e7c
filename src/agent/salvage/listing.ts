/** git's NUL-separated answers about one tree, against an index of our own. */
import { copyFileSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { type GitFolder, isPlainFile, readInside, realInside } from './untrusted.ts'
import type { View } from './view.ts'

export interface TreeAt {
  /** Absolute, UTF-8. */
  tree: string
  index: string
}

/** The index of a check-out by us: what it knows of the files saves their contents a reading. */
export interface KnownIndex {
  commit: string
  path: string
}

/** Null makes no index: for git that is an empty one. */
export async function loadIndex(
  view: View,
  at: TreeAt,
  treeish: string | null,
  known: KnownIndex | null,
): Promise<void> {
  if (treeish === null) return
  if (known === null || !isPlainFile(known.path)) return void (await view.must(['read-tree', treeish], at))
  copyFileSync(known.path, at.index)
  // What changed within the second in which the index was written has the same time: git looks into what is not older.
  const writtenAt = Math.floor(statSync(known.path).mtimeMs / 1000)
  utimesSync(at.index, writtenAt, writtenAt)
  if (known.commit !== treeish) await view.must(['read-tree', '-m', '-i', treeish], at)
}

export interface TreeStatus {
  entries: IndexEntry[]
  /** What the index has and the tree has otherwise; git looks into no repository within. */
  changed: BytePath[]
  /** What the index has and the tree has not. */
  removed: BytePath[]
  /** Untracked files, without what the tree's .gitignore files name. Repositories within end with a slash. */
  untracked: BytePath[]
  /** What they name and no index has; a folder that they name ends with a slash, for all that is in it. */
  ignored: BytePath[]
}

export const STATUS = [
  ...['status', '--porcelain=v2', '-z', '--untracked-files=all', '--ignored=matching'],
  ...['--no-renames', '--ignore-submodules=all'],
]

/** All in one call: on a branch without a commit each entry of the index is told, as added. */
export async function statusOf(view: View, at: TreeAt): Promise<TreeStatus> {
  const found: TreeStatus = { entries: [], changed: [], removed: [], untracked: [], ignored: [] }
  for (const line of split(await view.must(STATUS, at))) {
    if (line.startsWith('? ')) found.untracked.push(line.slice(2))
    if (line.startsWith('! ')) found.ignored.push(line.slice(2))
    // "1 XY sub mH mI mW hH hI path" (git-status(1)), all but the path of one width.
    if (!line.startsWith('1 ')) continue
    const path = line.slice(33 + 2 * view.oidLength)
    const oid = line.slice(32 + view.oidLength, 32 + 2 * view.oidLength)
    found.entries.push({ isGitlink: line.startsWith('160000', 17), oid, path })
    if (line[3] === 'D') found.removed.push(path)
    else if (line[3] !== '.') found.changed.push(path)
  }
  return found
}

export interface IndexEntry {
  isGitlink: boolean
  oid: string
  path: BytePath
}

export interface AgentIndex {
  paths: BytePath[]
  /** Left out of a sparse checkout: their absence is no deletion. */
  skipped: Set<BytePath>
}

/** What the agent had added, also against the ignore rules. A copy is read; one that git cannot read says nothing. */
export async function agentIndex(view: View, folder: GitFolder | null, known: KnownIndex | null): Promise<AgentIndex> {
  const none = { paths: [], skipped: new Set<BytePath>() }
  const source = folder && join(folder.own, 'index')
  if (!source || !isPlainFile(source) || realInside(view.boundary, source) === null) return none
  if (known !== null && isSame(view, source, known.path)) return none
  const copy = view.newIndex()
  copyFileSync(source, copy)
  const listed = await view.run(['ls-files', '-z', '--cached', '-t'], { index: copy })
  const lines = split(listed.stdout)
  const skipped = lines.filter(line => line.startsWith('S ')).map(line => line.slice(2))
  return { paths: lines.map(line => line.slice(2)), skipped: new Set(skipped) }
}

/** Nothing was added since we checked out. */
function isSame(view: View, source: string, known: string): boolean {
  if (!isPlainFile(known)) return false
  const { size } = statSync(known)
  return statSync(source).size === size && readInside(view.boundary, source, size) === readFileSync(known, 'latin1')
}

export function split(text: string): string[] {
  return text.split('\0').filter(word => word !== '')
}

/** Names of refs and paths that salvage deals with. Paths are byte strings: latin1, so that every byte survives. */

/** Holds the base commit in the salvage repository; no result may have such a name. */
export const BASE_REF = 'refs/keep/base'

/** Every byte of a file's name as one character: names need not be UTF-8. */
export type BytePath = string

export const logRef = (ref: string) => `${ref}-log`
export const sessionRef = (ref: string) => `${ref}-session`

/** Where the refs beside a result stand, each below a prefix of its own, without the slash. */
export const besideRefs = (ref: string) => ({
  heads: `${ref}-heads`,
  stash: `${ref}-stash`,
  worktrees: `${ref}-worktrees`,
  others: `${ref}-others`,
})
export const besidePrefixes = (ref: string) => Object.values(besideRefs(ref)).map(prefix => `${prefix}/`)

/** The rules of git-check-ref-format(1), for a full name. */
export function isRefName(name: string): boolean {
  return (
    name.startsWith('refs/') &&
    name.length <= 1024 &&
    name.length > 'refs/'.length &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    !/[\u0000-\u0020\u007F~^:?*[\\]|\.\.|@\{|\/\/|\/$|\.$/.test(name) &&
    name.split('/').every(part => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
  )
}

export function isObjectId(text: string, length: number): boolean {
  return text.length === length && /^[0-9a-f]+$/.test(text)
}

export function bytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

/** For people: as UTF-8 where it is that. */
export function shown(path: BytePath): string {
  return bytes(path).toString('utf8')
}
