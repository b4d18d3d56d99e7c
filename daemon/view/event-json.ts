/** Journal rows and nodes as scripts see them. */
import type { EventJson, NodeJson } from '../../src/protocol/control.ts'
import type { JournalEvent } from '../../src/store/journal.ts'
import type { ReadNode } from '../../src/store/nodes.ts'
import { iso } from './task-json.ts'

export function eventJson(event: JournalEvent): EventJson {
  const { seq, at, type, taskId, nodeName, step, attempt, data } = event
  return { seq, at: iso(at), type, taskId, nodeName, step, attempt, data }
}

export function nodeJson(node: ReadNode, used: ReadonlyMap<string, number>): NodeJson {
  return {
    name: node.name,
    provider: node.provider,
    status: node.status,
    size: node.size,
    location: node.location,
    address: node.address,
    workspaces: used.get(node.name) ?? 0,
    maxWorkspaces: node.maxWorkspaces,
    warmUntil: iso(node.warmUntil),
    createdAt: iso(node.createdAt),
    pricePerHour: node.pricePerHour,
    waitingFor: node.waitingFor,
  }
}
