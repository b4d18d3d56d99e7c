/** The agent came back with an empty state folder: what ran on it is gone, and whoever waits for it must know. */
import { liveWorkspaces, setWorkspaceStatus } from '../../src/store/slots.ts'
import type { Engine } from '../deps.ts'
import { wakeTasksOn } from './save-node.ts'

/** Inside a write. */
export function loseWorkspaces(engine: Engine, nodeName: string): void {
  const { store, world } = engine
  for (const { id } of liveWorkspaces(store.sql, nodeName)) setWorkspaceStatus(store.sql, id, 'lost')
  wakeTasksOn(engine, nodeName, world.clock.now())
}
