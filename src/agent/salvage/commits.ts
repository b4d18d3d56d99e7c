/** The commits that tdf itself makes. Fixed in every part, so that the same tree gives the same id. */

import { join } from 'node:path'
import { ABOUT, CONVERSATION, conversationFolder } from '../conversations/carried.ts'
import { listSessions, outputPath, readSession, SETUP, sessionFolder } from '../sessions/folder.ts'
import { withTrailer } from '../workspaces/attribution.ts'
import { identityOf } from '../workspaces/checkout.ts'
import type { Workspace } from '../workspaces/workspace.ts'
import { statOf } from './untrusted.ts'
import type { View } from './view.ts'

export async function commitTree(
  view: View,
  workspace: Workspace,
  tree: string,
  parent: string | null,
): Promise<string> {
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
