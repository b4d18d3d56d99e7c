/** `POST …/prompt`: a further prompt for a running session, stored once for each delivery id. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { makeFolder } from '../../platform/files.ts'
import { type PermissionAnswer, permissionAnswer, type promptDelivery } from '../../protocol/agent-api.ts'
import { Refusal } from '../errors.ts'
import { createJson, readJson } from '../state/durable.ts'
import { adapterOf } from './adapters/index.ts'
import { readFacts } from './facts.ts'
import { answersFolder, deliveriesFolder, deliveryCount, type SessionState } from './folder.ts'

/** False when this delivery was stored before. */
export function deliverPrompt(session: SessionState, delivery: z.output<typeof promptDelivery>): boolean {
  const { sessionId, type } = session.request
  const folder = deliveriesFolder(session.folder)
  const path = join(folder, `${delivery.deliveryId}.json`)
  if (existsSync(path)) return false
  if (session.exit) throw new Refusal('session_exited', `session ${sessionId} has ended`)
  if (!adapterOf(type)?.openProtocol)
    throw new Refusal('not_steerable', `a session of type ${type} takes no further prompt`)
  makeFolder(folder)
  return createJson(path, { ...delivery, number: deliveryCount(session) + 1 })
}

/** `POST …/permission`: a person's answer to what the agent asked, stored once; its runner passes it on. */

/** False when this answer was stored before. */
export function answerPermission({ folder, request, exit }: SessionState, answer: PermissionAnswer): boolean {
  const path = join(answersFolder(folder), `${answer.requestId}.json`)
  const known = readJson(path, permissionAnswer)
  if (known?.decision === answer.decision) return false
  if (known) throw new Refusal('conflict', `${answer.requestId} was answered with ${known.decision}`)
  if (exit) throw new Refusal('session_exited', `session ${request.sessionId} has ended`)
  if (readFacts(folder)?.pendingPermission?.requestId !== answer.requestId) {
    throw new Refusal('not_found', `session ${request.sessionId} asks nothing as ${answer.requestId}`)
  }
  makeFolder(answersFolder(folder))
  return createJson(path, answer)
}
