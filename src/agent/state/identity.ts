/** Who this agent is: the id of its state folder, made once, and the node's name. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { World } from '../../platform/world.ts'
import { type Registration, registration } from '../../protocol/agent-api.ts'
import { id, idPattern, nullable } from '../../protocol/shapes.ts'
import { readJson, readJsonStrictly, writeJson } from './durable.ts'
import { openLines } from './lines.ts'

const agentFile = z.object({ stateId: id, nodeName: nullable(id) })

export interface Identity {
  readonly stateId: string
  /** The host's name until somebody names the node. */
  nodeName(): string
  /** Takes the name when there is none yet; false when the node has another one. */
  adopt(nodeName: string): boolean
}

/** A damaged agent.json stops the start: a new state id would tell the daemon that all runs are gone. */
export function openIdentity(world: World, state: string, givenName: string | null): Identity {
  const path = join(state, 'agent.json')
  const known = readJsonStrictly(path, agentFile)
  const stateId = known?.stateId ?? world.random.bytes(16).toString('hex')
  let name = givenName ?? known?.nodeName ?? null
  if (known?.nodeName !== name || !known) writeJson(path, { stateId, nodeName: name })
  return {
    stateId,
    nodeName: () => name ?? hostName(),
    adopt: nodeName => {
      if (name !== null) return name === nodeName
      writeJson(path, { stateId, nodeName })
      name = nodeName
      return true
    },
  }
}

function hostName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 128)
  return idPattern.test(name) ? name : 'node'
}

// --- The daemon that this node belongs to, and where pushes go; kept over restarts ---

export interface RegistrationStore {
  current(): Registration | null
  replace(next: Registration): void
}

/** A registration for another node name belongs to a state folder that was renamed by `--name`, and says nothing now. */
export function openRegistration(state: string, nodeName: string): RegistrationStore {
  const path = join(state, 'registration.json')
  const known = readJson(path, registration)
  let current = known?.nodeName === nodeName ? known : null
  return {
    current: () => current,
    replace: next => {
      writeJson(path, next)
      current = next
    },
  }
}

// --- Ids of workspaces that were deleted: a late request for one must not make it again. The newest 10 000 are kept ---

export interface Tombstones {
  has(workspaceId: string): boolean
  add(workspaceId: string): void
  close(): void
}

const KEPT_MAX = 10_000

export function openTombstones(state: string): Tombstones {
  const { lines, found } = openLines(join(state, 'deleted.log'))
  const ids = new Set(found.slice(-KEPT_MAX))
  if (found.length > ids.size) lines.rewrite([...ids])
  return {
    has: workspaceId => ids.has(workspaceId),
    add: workspaceId => {
      if (ids.has(workspaceId)) return
      lines.append([workspaceId])
      ids.add(workspaceId)
      if (ids.size < 2 * KEPT_MAX) return
      for (const old of [...ids].slice(0, ids.size - KEPT_MAX)) ids.delete(old)
      lines.rewrite([...ids])
    },
    close: () => lines.close(),
  }
}
