/** Noticing the end of sessions: by a look each second, and at once where the system reports new files. */
import { watch } from 'node:fs'
import { basename } from 'node:path'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { report } from '../workspaces/report.ts'
import type { Workspace } from '../workspaces/workspace.ts'
import { exitPath } from './folder.ts'
import { settle } from './process.ts'

const LOOK_MS = 1_000

/** Until the session has ended and its event is stored. Watching twice is watching once. */
export function watchSession(agent: Agent, workspace: Workspace, folder: string): void {
  if (agent.watched.has(folder) || workspace.deleted) return
  let busy = false
  let cancelLook = () => {}
  const stop = () => {
    cancelLook()
    watcher?.close()
    agent.watched.delete(folder)
  }
  const look = async () => {
    if (busy) return
    busy = true
    try {
      const session = await settle(agent, folder)
      if (agent.watched.get(folder) !== stop) return
      if (!session || session.exit) {
        stop()
        report(agent, workspace)
      }
    } catch (error) {
      agent.log('warn', 'look at a session failed', { folder, reason: messageOf(error) })
    } finally {
      busy = false
    }
  }
  const lookAgain = () => {
    cancelLook = agent.world.clock.timer(LOOK_MS, () => {
      look()
      lookAgain()
    })
  }
  const watcher = watchFolder(folder, look)
  agent.watched.set(folder, stop)
  lookAgain()
  look()
}

/** Null when the system has no watch left: the look each second is enough. */
function watchFolder(folder: string, look: () => void) {
  try {
    const name = basename(exitPath(folder))
    const watcher = watch(folder, { persistent: false }, (_event, file) => {
      if (file === name) look()
    })
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}
