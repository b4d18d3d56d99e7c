/** The commits that tdf itself makes. Fixed in every part, so that the same tree gives the same id. */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Slot } from '../isolation/slot.ts'
import { ABOUT, CONVERSATION, conversationFolder } from '../sessions/adapters/conversations.ts'
import { listSessions, outputPath, readSession, SETUP, sessionFolder } from '../sessions/folder.ts'
import { readJson } from '../state/durable.ts'
import { identityOf, withTrailer } from '../workspaces/checkout.ts'
import { builtIgnoredPath, type Workspace } from '../workspaces/workspace.ts'
import { type BytePath, indexEntries, split } from './listing.ts'
import {
  gitlinksOf,
  isClean,
  type LeaveOut,
  leaveRefused,
  REPOSITORIES_MAX,
  type ScanContext,
  scanTree,
  type TreeScan,
} from './scan.ts'
import { fitInto, leaveIgnored, leaveStray, nameFiltered, oddities } from './select.ts'
import { type GitFolder, statOf } from './untrusted.ts'
import type { View } from './view.ts'

async function commitTree(view: View, workspace: Workspace, tree: string, parent: string | null): Promise<string> {
  const { taskId, attempt, trailer } = workspace.record.request
  const message = `Work of task ${taskId} that was not committed\n\nSaved by tdf at the end of attempt ${attempt}.\n`
  return commit(view, workspace, tree, parent, withTrailer(message, trailer))
}

/** A commit of its own whose tree holds `<session>/output.log`; null when there is no output. */
export async function commitLogs(view: View, workspace: Workspace): Promise<string | null> {
  const sessions = [readSession(sessionFolder(workspace, SETUP)), ...listSessions(workspace)]
  const lines: string[] = []
  for (const session of sessions) {
    if (!session || !statOf(outputPath(session.folder))?.isFile()) continue
    const log = (await view.must(['hash-object', '-w', '--no-filters', '--', outputPath(session.folder)])).trim()
    const folder = (await view.must(['mktree'], { input: `100644 blob ${log}\toutput.log\n` })).trim()
    lines.push(`040000 tree ${folder}\t${session.request.sessionId}\n`)
  }
  if (lines.length === 0) return null
  const tree = (await view.must(['mktree'], { input: lines.join('') })).trim()
  return commit(view, workspace, tree, null, `Output of task ${workspace.record.request.taskId}\n`)
}

/** A commit of its own with the conversation of the newest session that left one; null when none did. */
export async function commitConversation(view: View, workspace: Workspace): Promise<string | null> {
  const folders = listSessions(workspace).map(({ folder }) => conversationFolder(folder))
  const folder = folders.findLast(folder => statOf(join(folder, ABOUT))?.isFile())
  if (folder === undefined) return null
  const lines: string[] = []
  for (const name of [ABOUT, CONVERSATION]) {
    const blob = (await view.must(['hash-object', '-w', '--no-filters', '--', join(folder, name)])).trim()
    lines.push(`100644 blob ${blob}\t${name}\n`)
  }
  const tree = (await view.must(['mktree'], { input: lines.join('') })).trim()
  return commit(view, workspace, tree, null, `Conversation of task ${workspace.record.request.taskId}\n`)
}

async function commit(view: View, workspace: Workspace, tree: string, parent: string | null, message: string) {
  const { name, email } = identityOf(workspace.record.request.author)
  const date = `@${Math.floor(endedAtMs(workspace) / 1000)} +0000`
  const env = {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  }
  const parents = parent === null ? [] : ['-p', parent]
  return (await view.must(['commit-tree', tree, ...parents, '-F', '-'], { env, input: latin1(message) })).trim()
}

/** When the newest session ended; before any did, when the workspace was made. */
function endedAtMs(workspace: Workspace): number {
  const ends = listSessions(workspace).map(session => Date.parse(session.exit?.endedAt ?? ''))
  const last = Math.max(...ends.filter(end => Number.isFinite(end)))
  return Number.isFinite(last) ? last : Date.parse(workspace.record.createdAt)
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** A scanned tree as a git tree. git reads the files itself, so modes, links and line endings are as it has them. */

const BATCH_MAX = 20_000

/** The id of the tree; files that git did not take are left out and named. */
async function writeTree(context: ScanContext, scan: TreeScan): Promise<string> {
  const { view } = context
  const { tree, index } = scan
  await remove(context, scan, [...scan.removed, ...scan.embedded.map(embedded => embedded.path)])
  const paths = scan.files.map(file => file.path)
  for (let at = 0; at < paths.length; at += BATCH_MAX) await add(context, scan, paths.slice(at, at + BATCH_MAX))
  for (const embedded of scan.embedded) await graft(context, scan, embedded.path, embedded.scan)
  // git passes over names that it does not allow, such as "git~1", without an error.
  const taken = new Set((await indexEntries(view, { tree, index })).map(entry => entry.path))
  for (const path of paths) if (!taken.has(path)) leaveRefused(context, scan, path)
  return (await view.must(['write-tree'], { index })).trim()
}

async function remove(context: ScanContext, scan: TreeScan, paths: readonly BytePath[]): Promise<void> {
  if (paths.length === 0) return
  await context.view.must(['update-index', '--force-remove', '-z', '--stdin'], { ...at(scan), input: list(paths) })
}

/** One bad file fails a whole call, so halves are tried until it is alone: it is missing from the index then. */
async function add(context: ScanContext, scan: TreeScan, paths: readonly BytePath[]): Promise<void> {
  const flags = ['--add', '--replace', '-z', '--stdin']
  const added = await context.view.run(['update-index', ...flags], { ...at(scan), input: list(paths) })
  if (added.exitCode === 0) return
  if (added.timedOut || added.exitCode === null) throw new Error('git update-index did not end')
  const [only] = paths
  if (paths.length === 1 && only !== undefined) return leaveRefused(context, scan, only)
  const middle = paths.length >> 1
  await add(context, scan, paths.slice(0, middle))
  await add(context, scan, paths.slice(middle))
}

/** Entries go in one by one as bytes: an argument such as --prefix could not hold a name that is not UTF-8. */
async function graft(context: ScanContext, scan: TreeScan, path: BytePath, inner: TreeScan): Promise<void> {
  const tree = await writeTree(context, inner)
  const entries = split(await context.view.must(['ls-tree', '-r', '-z', tree])).map(line => {
    const tab = line.indexOf('\t')
    const [mode, , oid] = line.slice(0, tab).split(' ')
    return `${mode} ${oid}\t${path}/${line.slice(tab + 1)}`
  })
  if (entries.length === 0) return
  const flags = ['--add', '--replace', '-z', '--index-info']
  await context.view.must(['update-index', ...flags], { ...at(scan), input: list(entries) })
}

function at(scan: TreeScan) {
  return { tree: scan.tree, index: scan.index }
}

function list(words: readonly string[]): string {
  return words.map(word => `${word}\0`).join('')
}

/** What the trees of one salvage share. */
export interface FilesSaving {
  workspace: Workspace
  baseCommit: string
  view: View
  leaveOut: LeaveOut
  /** Real paths of linked work trees. */
  linkedPaths: readonly Buffer[]
  /** Whose sessions left the files; null: those of the agent's own user. */
  slot: Slot | null
  /** How many bytes may still be taken along. */
  bytesLeft: number
}

interface Files {
  tree: string
  start: string | null
  /** Stands before every path that is named. */
  within: string
  folder?: GitFolder
}

/** The commit that holds the files of a tree: `start` itself when they are as it has them. */
export async function commitFiles(saving: FilesSaving, { tree, start, within, folder }: Files): Promise<string> {
  const { workspace, baseCommit, view, linkedPaths } = saving
  const own: Parameters<LeaveOut>[] = []
  const leaveOut: LeaveOut = (path, kind, about) => own.push([within + path, kind, about])
  const { closed, repositories } = await oddities(view, tree, leaveOut, saving.slot)
  const isAt = (path: Buffer, test: (linked: Buffer, real: Buffer) => boolean) => {
    if (linkedPaths.length === 0) return false
    const real = realOf(path)
    return real !== null && linkedPaths.some(linked => test(linked, real))
  }
  const context: ScanContext = {
    ...{ view, leaveOut, closed },
    baseGitlinks: start === null ? new Map() : await gitlinksOf(view, baseCommit).catch(() => new Map()),
    isLinked: path => isAt(path, (linked, real) => linked.equals(real)),
    holdsLinked: path => isAt(path, (linked, real) => linked.subarray(0, real.length).equals(real)),
    budget: { repositories: REPOSITORIES_MAX },
  }
  const scan = await scanTree(context, tree, '', start, folder)
  leaveStray(context, scan, repositories)
  await leaveIgnored(context, scan, new Set(readJson(builtIgnoredPath(workspace), z.array(z.string())) ?? []))
  const bytesLeft = fitInto(scan, saving.bytesLeft, leaveOut)
  await nameFiltered(context, scan)
  let commit = start
  if (!isClean(scan) || start === null) {
    const written = await writeTree(context, scan)
    const before = start === null ? null : (await view.must(['rev-parse', `${start}^{tree}`])).trim()
    if (written !== before) commit = await commitTree(view, workspace, written, start)
  }
  if (commit === null) throw new Error('nothing to save')
  // Only now: on another start it is all looked at again.
  for (const args of own) saving.leaveOut(...args)
  saving.bytesLeft = bytesLeft
  return commit
}

function realOf(path: Buffer): Buffer | null {
  try {
    return realpathSync(path, 'buffer')
  } catch {
    return null
  }
}
