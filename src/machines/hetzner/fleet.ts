/**
 * All our machines in one look. However many nodes ask, the list is read once in a while and by one of them: polled one
 * by one, two nodes would use up the project's requests. What is not in the list is not thereby gone.
 */
import type { Clock } from '../../platform/world.ts'
import type { Action, HetznerApi, Server } from './api.ts'
import { nodeOf, ofInstall } from './labels.ts'

export interface Fleet {
  /** The node's server as lately seen; undefined when it was not in the list. */
  server(nodeName: string, isPartOfChange?: boolean): Promise<Server | undefined>
  /** The action's state as lately seen, watched from the first question on. */
  action(id: number): Promise<Action | undefined>
  /** A server that an answer outside of the list has shown. */
  saw(server: Server): void
  forget(nodeName: string): void
}

const FRESH_MS = 5_000

export function createFleet(api: HetznerApi, clock: Clock, installId: string): Fleet {
  let servers = new Map<string, Server>()
  const watched = new Map<number, Action | undefined>()
  let readAt: number | null = null
  let reading: Promise<void> | null = null

  async function read(isPartOfChange: boolean): Promise<void> {
    const listed = await api.list(ofInstall(installId), undefined, isPartOfChange)
    servers = new Map(listed.map(server => [nodeOf(server) ?? '', server]))
    const open = [...watched].flatMap(([id, action]) => (isOver(action) ? [] : [id])).slice(0, 50)
    if (open.length > 0) for (const action of await api.actions(open, isPartOfChange)) watched.set(action.id, action)
    readAt = clock.mono()
  }

  /** Shared by all nodes that wait, so it follows the signal of none; the client bounds it. */
  async function refresh(isPartOfChange = false): Promise<void> {
    if (readAt !== null && clock.mono() - readAt < FRESH_MS) return
    reading ??= read(isPartOfChange).finally(() => {
      reading = null
    })
    await reading
  }

  return {
    async server(nodeName, isPartOfChange) {
      await refresh(isPartOfChange)
      return servers.get(nodeName)
    },
    async action(id) {
      if (!watched.has(id)) watched.set(id, undefined)
      await refresh()
      const action = watched.get(id)
      if (isOver(action)) watched.delete(id)
      return action
    },
    saw: server => void servers.set(nodeOf(server) ?? '', server),
    forget: nodeName => void servers.delete(nodeName),
  }
}

const isOver = (action: Action | undefined) => action !== undefined && action.status !== 'running'
