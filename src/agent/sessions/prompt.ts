/** `POST …/prompt`: a further prompt for a running session, stored once for each delivery id. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import type { promptDelivery } from '../../protocol/agent-api.ts'
import { ADAPTERS } from '../adapters/index.ts'
import { Refusal } from '../refusal.ts'
import { makeFolder } from '../state/durable.ts'
import { createJson } from '../state/json-file.ts'
import { deliveriesFolder, type SessionState } from './folder.ts'

/** False when this delivery was stored before. */
export function deliverPrompt(session: SessionState, delivery: z.output<typeof promptDelivery>): boolean {
  const { sessionId, type } = session.request
  const folder = deliveriesFolder(session.folder)
  const path = join(folder, `${delivery.deliveryId}.json`)
  if (existsSync(path)) return false
  if (session.exit) throw new Refusal('session_exited', `session ${sessionId} has ended`)
  const steerable = Object.entries(ADAPTERS).some(([name, adapter]) => name === type && adapter?.steerable)
  if (!steerable) throw new Refusal('not_steerable', `a session of type ${type} takes no further prompt`)
  makeFolder(folder)
  return createJson(path, delivery)
}
