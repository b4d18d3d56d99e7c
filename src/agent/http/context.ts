/** What routes are handed. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { idPattern } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import type { MachineLoad } from '../machine/load.ts'
import type { EventPusher } from '../push/events.ts'
import type { NodePusher } from '../push/node.ts'
import { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspaces/workspace.ts'

export interface Env {
  Bindings: HttpBindings
}

export interface Serving {
  agent: Agent
  load: () => MachineLoad
  events: EventPusher
  node: NodePusher
}

/** Ids are checked before they are looked up: none can lead out of the state folder. */
export function idFrom(c: Context<Env>, name: string): string {
  const id = c.req.param(name) ?? ''
  if (!idPattern.test(id)) throw new Refusal('not_found', 'there is no such id')
  return id
}

export function workspaceFrom(agent: Agent, c: Context<Env>): Workspace {
  const id = idFrom(c, 'workspace')
  const workspace = agent.workspaces.get(id)
  if (workspace && !workspace.deleted) return workspace
  const damage = agent.damaged.get(id)
  if (damage !== undefined) throw new Refusal('workspace_not_ready', `workspace ${id}: ${damage}`)
  throw new Refusal('not_found', `there is no workspace ${id}`)
}
