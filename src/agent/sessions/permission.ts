/** `POST …/permission`: a person's answer to what the agent asked, stored once; its runner passes it on. */
import { join } from 'node:path'
import { type PermissionAnswer, permissionAnswer } from '../../protocol/agent-api.ts'
import { Refusal } from '../refusal.ts'
import { makeFolder } from '../state/durable.ts'
import { createJson, readJson } from '../state/json-file.ts'
import { readFacts } from './facts.ts'
import { answersFolder, type SessionState } from './folder.ts'

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
