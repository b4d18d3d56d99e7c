/** The commits that tdf itself makes. Fixed in every part, so that the same tree gives the same id. */
import { createReadStream, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { z } from 'zod'
import type { Slot } from '../isolation/slot.ts'
import { ABOUT, CONVERSATION, conversationFolder } from '../sessions/adapters/conversations.ts'
import { listSessions, outputPath, readSession, SETUP, sessionFolder } from '../sessions/folder.ts'
import { readJson } from '../state/durable.ts'
import { identityOf, withTrailer } from '../workspaces/checkout.ts'
import { builtIgnoredPath, type Workspace } from '../workspaces/workspace.ts'
import { type BytePath, type KnownIndex, logRef, sessionRef } from './listing.ts'
import { type LargeStore, markLarge } from './tree/large.ts'
import type { LeaveOut } from './tree/left-out.ts'
import { isClean, placesOf, type ScanContext, scanTree } from './tree/scan.ts'
import { fitInto, leaveIgnored, leaveStray, nameFiltered, oddities } from './tree/select.ts'
import { writeTree } from './tree/write.ts'
import { type GitFolder, statOf } from './untrusted.ts'
import type { View } from './view.ts'

/** A commit that is to be made. */
export interface Draft {
  message: string
  parent: string | null
  /** All that it holds, or else `files`, beside what its parent has. */
  tree?: string
  files: readonly { path: string; open(): { size: number; bytes: Iterable<Buffer> | AsyncIterable<Buffer> } }[]
}

function draftOfTree(workspace: Workspace, tree: string, parent: string | null): Draft {
  const { taskId, attempt, trailer } = workspace.record.request
  const message = `Work of task ${taskId} that was not committed\n\nSaved by tdf at the end of attempt ${attempt}.\n`
  return { message: withTrailer(message, trailer), parent, tree, files: [] }
}

/** The output and the conversation of a workspace, each a commit of its own, by the ref that it gets; none of a session that runs. */
export function draftsOfTalk(salvage: { workspace: Workspace; ref: string; isLive: boolean }): Map<string, Draft> {
  const { workspace, ref, isLive } = salvage
  const found: [string, Draft['files'], string][] = [
    [logRef(ref), logsOf(workspace), 'Output'],
    [sessionRef(ref), conversationOf(workspace), 'Conversation'],
  ]
  const drafts = found.flatMap(([name, files, what]): [string, Draft][] => {
    const message = `${what} of task ${workspace.record.request.taskId}\n`
    return isLive || files.length === 0 ? [] : [[name, { message, parent: null, files }]]
  })
  return new Map(drafts)
}

/** `<session>/output.log` of each. */
function logsOf(workspace: Workspace): Draft['files'] {
  const sessions = [readSession(sessionFolder(workspace, SETUP)), ...listSessions(workspace)]
  return sessions.flatMap(session => {
    const source = session && outputPath(session.folder)
    return source && statOf(source)?.isFile() ? [whole(`${session.request.sessionId}/output.log`, source)] : []
  })
}

/** Of the newest session that left one. */
function conversationOf(workspace: Workspace): Draft['files'] {
  const folders = listSessions(workspace).map(({ folder }) => conversationFolder(folder))
  const folder = folders.findLast(folder => statOf(join(folder, ABOUT))?.isFile())
  return folder === undefined ? [] : [ABOUT, CONVERSATION].map(path => whole(path, join(folder, path)))
}

/** A file of ours, as long as it is when it is read. */
function whole(path: string, source: string): Draft['files'][number] {
  return {
    path,
    open: () => {
      const { size } = statSync(source)
      return { size, bytes: size > 0 ? createReadStream(source, { end: size - 1 }) : [] }
    },
  }
}

/** Answers the id of each. */
export async function writeCommits(view: View, workspace: Workspace, drafts: readonly Draft[]): Promise<string[]> {
  if (drafts.length === 0) return []
  const input = Readable.from(commands(workspace, drafts))
  const made = await view.must(['fast-import', '--quiet', '--force', '--done', '--date-format=raw'], { input })
  return made.split('\n', drafts.length)
}

/** As git-fast-import(1) reads them. */
async function* commands(workspace: Workspace, drafts: readonly Draft[]): AsyncGenerator<string | Buffer> {
  const { name, email } = identityOf(workspace.record.request.author)
  const who = `${name} <${email}> ${Math.floor(endedAtMs(workspace) / 1000)} +0000`
  for (const [at, { message, parent, tree, files }] of drafts.entries()) {
    yield `commit refs/tip/${at}\nmark :${at + 1}\nauthor ${who}\ncommitter ${who}\n`
    yield `data ${Buffer.byteLength(message)}\n${message}\n`
    if (parent !== null) yield `from ${parent}\n`
    if (tree !== undefined) yield `M 040000 ${tree} ""\n`
    for (const { path, open } of files) {
      const { size, bytes } = open()
      yield `M 100644 inline "${path.replace(/["\\]/g, '\\$&')}"\ndata ${size}\n`
      yield* bytes
      yield '\n'
    }
    yield `get-mark :${at + 1}\n`
  }
  yield 'done\n'
}

/** When the newest session ended; before any did, when the workspace was made. */
export function endedAtMs(workspace: Workspace): number {
  const ends = listSessions(workspace).map(session => Date.parse(session.exit?.endedAt ?? ''))
  const last = Math.max(...ends.filter(end => Number.isFinite(end)))
  return Number.isFinite(last) ? last : Date.parse(workspace.record.createdAt)
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
  /** For what is in Git LFS. */
  large: LargeStore
  /** How many bytes may still be taken along. */
  bytesLeft: number
  /** Of the main work tree, as it was built. */
  known: KnownIndex | null
  artifacts: { inTree: ReadonlySet<BytePath> }
}

interface Files {
  tree: string
  start: string | null
  /** Stands before every path that is named. */
  within: string
  folder?: GitFolder
}

/**
 * The commit that holds the files of a tree: `start` itself when they are as it has them. `more` are made in the same call
 * of git, and come behind it.
 */
export async function commitFiles(
  saving: FilesSaving,
  { tree, start, within, folder }: Files,
  more: readonly Draft[] = [],
): Promise<[commit: string, ...more: string[]]> {
  const { workspace, view } = saving
  const own: Parameters<LeaveOut>[] = []
  const leaveOut: LeaveOut = (path, kind, about) => own.push([within + path, kind, about])
  const { closed, repositories } = await oddities(view, tree, leaveOut, saving.slot)
  const known = within === '' ? saving.known : null
  const artifacts = within === '' ? saving.artifacts.inTree : new Set<BytePath>()
  const context: ScanContext = { ...placesOf(saving, start), view, leaveOut, closed, known, artifacts }
  const scan = await scanTree(context, tree, '', start, folder)
  await leaveStray(context, scan, repositories)
  leaveIgnored(context, scan, new Set(readJson(builtIgnoredPath(workspace), z.array(z.string())) ?? []))
  await markLarge(context, scan)
  const bytesLeft = fitInto(scan, saving.bytesLeft, leaveOut)
  await nameFiltered(context, scan)
  const drafts = [...more]
  if (!isClean(scan) || start === null) {
    const written = await writeTree(context, scan, saving.large)
    const before = start === null ? null : await treeOf(view, start)
    if (written !== before) drafts.unshift(draftOfTree(workspace, written, start))
  }
  const made = await writeCommits(view, workspace, drafts)
  const [commit, ...others] = drafts.length > more.length ? made : [start, ...made]
  if (!commit) throw new Error('nothing to save')
  // Only now: on another start it is all looked at again.
  for (const args of own) saving.leaveOut(...args)
  saving.bytesLeft = bytesLeft
  return [commit, ...others.flatMap(oid => oid ?? [])]
}

/** Throws when it is not there. */
export async function treeOf(view: View, commit: string): Promise<string> {
  const answer = await view.must(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`])
  return answer.trim()
}
