/** `POST …/prompt`: a further prompt for a running session, stored once for each delivery id. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import type { promptDelivery } from '../../protocol/agent-api.ts'
import { adapterOf } from '../adapters/index.ts'
import { Refusal } from '../refusal.ts'
import { makeFolder } from '../state/durable.ts'
import { createJson } from '../state/json-file.ts'
import { deliveriesFolder, deliveryCount, type SessionState } from './folder.ts'

/** False when this delivery was stored before. */
export function deliverPrompt(session: SessionState, delivery: z.output<typeof promptDelivery>): boolean {
  const { sessionId, type } = session.request
  const folder = deliveriesFolder(session.folder)
  const path = join(folder, `${delivery.deliveryId}.json`)
  if (existsSync(path)) return false
  if (session.exit) throw new Refusal('session_exited', `session ${sessionId} has ended`)
  if (!adapterOf(type)?.talk) throw new Refusal('not_steerable', `a session of type ${type} takes no further prompt`)
  makeFolder(folder)
  return createJson(path, { ...delivery, number: deliveryCount(session) + 1 })
}
