/** What a session's agent has reported about itself, stored by its runner. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../../platform/files.ts'
import { agentSession } from '../../protocol/agent-api.ts'
import { id } from '../../protocol/shapes.ts'
import { readJson, writeJson } from '../state/durable.ts'
import { deliveriesFolder, type SessionRequest } from './folder.ts'

const view = agentSession.shape

export const sessionFacts = z.object({
  resumeRef: view.resumeRef,
  agentVersion: view.agentVersion,
  model: view.model,
  usage: view.usage,
  resetAt: view.resetAt,
  retrying: view.retrying,
  pendingPermission: view.pendingPermission,
  hasActed: view.hasActed,
  usesTool: view.usesTool,
  /** Deliveries that reached the agent. */
  accepted: z.array(id),
  /** Null while it runs. */
  verdict: z.object({ outcome: view.outcome, failure: view.failure, summary: view.summary }).nullable(),
})
export type SessionFacts = z.output<typeof sessionFacts>

const factsPath = (folder: string) => join(folder, 'facts.json')

export function readFacts(folder: string): SessionFacts | null {
  return readJson(factsPath(folder), sessionFacts)
}

/** `isFirm`: it must be there after a power cut. Else it is only soon out of date. */
export function storeFacts(folder: string, facts: SessionFacts, isFirm: boolean): void {
  const path = factsPath(folder)
  if (isFirm) return writeJson(path, facts)
  try {
    replaceFile(path, JSON.stringify(facts))
  } catch {
    // A full disk: the next ones may have room, and the last ones are waited for.
  }
}

/** Deliveries that were stored, in the order in which they came. */
export function listDeliveries(folder: string): Delivery[] {
  const from = deliveriesFolder(folder)
  if (!existsSync(from)) return []
  return readdirSync(from)
    .filter(name => name.endsWith('.json'))
    .flatMap(name => readJson(join(from, name), delivery) ?? [])
    .sort((one, other) => one.number - other.number)
}

export const delivery = z.object({ deliveryId: id, text: z.string(), number: z.int().default(0) })
export type Delivery = z.output<typeof delivery>

/** The same for the same delivery in every process and at every call, as a UUID (RFC 9562, version 4 in form). */
export function uuidOf(
  { workspaceId, sessionId }: Pick<SessionRequest, 'workspaceId' | 'sessionId'>,
  name: string,
): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([workspaceId, sessionId, name]))
    .digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
