/** Stopping a workspace, which keeps everything, and deleting it, which keeps nothing but its id. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, moveDurable } from '../../platform/files.ts'
import type { Agent } from '../agent.ts'
import { clearSlot } from '../isolation/slots.ts'
import { listSessions, readSession, sessionFolder, sessionIds } from '../sessions/folder.ts'
import { endSession, killSession } from '../sessions/process.ts'
import { removeTree } from '../state/remove-tree.ts'
import { report } from './report.ts'
import { updateRecord } from './workspace.ts'

/** Ends the running session like a cancel does. Unknown and stopped workspaces are stopped already. */
export async function stop(agent: Agent, workspaceId: string): Promise<void> {
  const workspace = agent.workspaces.get(workspaceId)
  if (!workspace) return
  workspace.build?.abort.abort()
  await workspace.serialize(async () => {
    if (workspace.deleted) return
    await workspace.build?.done
    if (workspace.record.status !== 'stopped') updateRecord(workspace, { status: 'stopped' })
    for (const session of listSessions(workspace)) await endSession(agent, session.folder)
    report(agent, workspace)
  })
}

/**
 * The tombstone comes first: from then on the workspace is gone for everybody, and whatever the power leaves of it is
 * removed at the next start. An id that was never here gets one too, since its creation may still be on the way.
 */
export async function destroy(agent: Agent, workspaceId: string): Promise<void> {
  agent.world.failpoint('before', 'tombstone')
  agent.tombstones.add(workspaceId)
  agent.world.failpoint('after', 'tombstone')
  const workspace = agent.workspaces.get(workspaceId)
  const folder = join(agent.state, 'workspaces', workspaceId)
  if (workspace) {
    workspace.deleted = true
    workspace.leaving.abort()
    await workspace.serialize(async () => {
      await workspace.build?.done
      await killSessions(agent, folder)
    })
  } else await killSessions(agent, folder)
  agent.workspaces.delete(workspaceId)
  agent.damaged.delete(workspaceId)
  await sweepAway(agent, folder)
  await clearSlot(agent, workspace?.record.slot ?? null)
  agent.outbox.forget(workspaceId)
}

async function killSessions(agent: Agent, folder: string): Promise<void> {
  for (const sessionId of sessionIds({ folder })) {
    const session = readSession(sessionFolder({ folder }, sessionId))
    if (!session) continue
    agent.watched.get(session.folder)?.()
    if (!session.exit) await killSession(agent, session)
  }
}

/** Moved out of sight in one step; what cannot be removed now is tried again at the next start. */
async function sweepAway(agent: Agent, folder: string): Promise<void> {
  if (!existsSync(folder)) return
  const trash = join(agent.state, 'trash')
  makeFolder(trash)
  const gone = join(trash, agent.world.random.bytes(8).toString('hex'))
  moveDurable(folder, gone)
  if (!(await removeTree(gone))) agent.log('warn', 'not all of a deleted workspace could be removed', { folder: gone })
}
