/** What an earlier run of the agent left: taken up again, or shown as damaged, or cleared away. */
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../platform/files.ts'
import { idPattern } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { isRunning, listSessions, sessionFolder, sessionIds } from '../sessions/folder.ts'
import { discardSession } from '../sessions/request.ts'
import { watchSession } from '../sessions/watch.ts'
import { readJsonStrictly } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { beginBuild } from './build.ts'
import { destroy } from './end.ts'
import { report } from './report.ts'
import {
  makeWorkspace,
  recordPath,
  scratchFolder,
  sessionsFolder,
  type Workspace,
  workspaceRecord,
} from './workspace.ts'

export async function loadWorkspaces(agent: Agent): Promise<void> {
  const parent = join(agent.state, 'workspaces')
  makeFolder(parent)
  emptyTrash(join(agent.state, 'trash'))
  for (const name of readdirSync(parent)) {
    if (!lstatSync(join(parent, name)).isDirectory()) continue
    if (!idPattern.test(name)) await removeTree(join(parent, name))
    else if (agent.tombstones.has(name)) await destroy(agent, name)
    else await load(agent, name, join(parent, name))
  }
}

/** Behind the start's back: a large tree must not delay the first answer. */
function emptyTrash(trash: string): void {
  makeFolder(trash)
  for (const name of readdirSync(trash)) void removeTree(join(trash, name))
}

/** Nothing that a workspace's files say may keep the agent from serving the others. */
async function load(agent: Agent, id: string, folder: string): Promise<void> {
  try {
    const record = readJsonStrictly(recordPath(folder), workspaceRecord)
    if (!record) throw new Error('meta.json is missing')
    if (record.request.workspaceId !== id) throw new Error(`meta.json is that of ${record.request.workspaceId}`)
    const workspace = makeWorkspace(id, folder, record)
    await removeTree(scratchFolder(workspace))
    await dropFalseStarts(agent, workspace)
    agent.workspaces.set(id, workspace)
  } catch (error) {
    const message = `its files are damaged: ${messageOf(error).slice(0, 500)} (kept in ${folder})`
    agent.log('error', 'workspace is set aside', { workspace: id, reason: message })
    agent.damaged.set(id, message)
  }
}

/** Drafts, and sessions of which the caller was told, or would have been, that they cannot start. */
async function dropFalseStarts(agent: Agent, workspace: Workspace): Promise<void> {
  if (!existsSync(sessionsFolder(workspace))) return
  for (const name of readdirSync(sessionsFolder(workspace))) {
    if (name.startsWith('.new-')) await removeTree(join(sessionsFolder(workspace), name))
  }
  for (const session of listSessions(workspace)) {
    if (session.exit?.cannotStart) await discardSession(agent, workspace, session.folder)
    else if (session.claim?.kind === 'revoked') await discardSession(agent, workspace, session.folder)
  }
  for (const id of sessionIds(workspace)) {
    const known = existsSync(join(sessionFolder(workspace, id), 'request.json'))
    if (!known) agent.log('warn', 'session folder without a request', { workspace: workspace.id, session: id })
  }
}

/** After everything is loaded: events that were not stored, builds and sessions that go on. */
export function takeUp(agent: Agent): void {
  for (const workspace of agent.workspaces.values()) {
    report(agent, workspace)
    beginBuild(agent, workspace)
    for (const session of listSessions(workspace)) {
      if (isRunning(session)) watchSession(agent, workspace, session.folder)
    }
  }
}
