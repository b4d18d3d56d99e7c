/** git's NUL-separated answers about one tree, against an index of our own. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GitFolder, isPlainFile, realInside } from './untrusted.ts'
import type { View } from './view.ts'

export interface TreeAt {
  /** Absolute, UTF-8. */
  tree: string
  index: string
}

export async function loadIndex(view: View, at: TreeAt, treeish: string | null): Promise<void> {
  await view.must(['read-tree', ...(treeish === null ? ['--empty'] : [treeish])], at)
  // Compares contents; exit code 1 says that some differ, which is what is asked next.
  if (treeish !== null) await view.run(['update-index', '-q', '--ignore-submodules', '--refresh'], at)
}

/** What the index has and the tree has otherwise or not at all; git looks into no repository within. */
export async function differences(view: View, at: TreeAt): Promise<{ changed: BytePath[]; removed: BytePath[] }> {
  const flags = ['-z', '--name-status', '--no-renames', '--no-ext-diff', '--ignore-submodules=all']
  const words = split(await view.must(['diff-files', ...flags], at))
  const changed: BytePath[] = []
  const removed: BytePath[] = []
  for (let at = 0; at + 1 < words.length; at += 2) {
    const path = words[at + 1] ?? ''
    if (words[at] === 'D') removed.push(path)
    else changed.push(path)
  }
  return { changed, removed }
}

/** Untracked files, without what the tree's .gitignore files name. Repositories within end with a slash. */
export async function untracked(view: View, at: TreeAt): Promise<BytePath[]> {
  return split(await view.must(['ls-files', '-z', '--others', '--exclude-standard'], at))
}

export interface IndexEntry {
  isGitlink: boolean
  oid: string
  path: BytePath
}

export async function indexEntries(view: View, at: TreeAt): Promise<IndexEntry[]> {
  return split(await view.must(['ls-files', '-z', '--stage'], at)).map(line => {
    const tab = line.indexOf('\t')
    const [mode, oid = ''] = line.slice(0, tab).split(' ')
    return { isGitlink: mode === '160000', oid, path: line.slice(tab + 1) }
  })
}

export interface AgentIndex {
  paths: BytePath[]
  /** Left out of a sparse checkout: their absence is no deletion. */
  skipped: Set<BytePath>
}

/** What the agent had added, also against the ignore rules. A copy is read; one that git cannot read says nothing. */
export async function agentIndex(view: View, folder: GitFolder | null): Promise<AgentIndex> {
  const none = { paths: [], skipped: new Set<BytePath>() }
  const source = folder && join(folder.own, 'index')
  if (!source || !isPlainFile(source) || realInside(view.boundary, source) === null) return none
  const copy = view.newIndex()
  copyFileSync(source, copy)
  const listed = await view.run(['ls-files', '-z', '--cached', '-t'], { index: copy })
  const lines = split(listed.stdout)
  const skipped = lines.filter(line => line.startsWith('S ')).map(line => line.slice(2))
  return { paths: lines.map(line => line.slice(2)), skipped: new Set(skipped) }
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
