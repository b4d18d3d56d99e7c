/**
 * Callback tokens: HMAC-SHA256 over what they allow, keyed by the installation. They can be made again after a crash
 * and are never stored; the database holds their hashes. So it is with the codes by which notices are answered.
 */
import { createHash, createHmac } from 'node:crypto'
import type { Task } from '../core/task.ts'
import type { Install } from './install.ts'

export interface Grant {
  scope: 'workspace' | 'node'
  /** The workspace's id or the node's name. */
  subject: string
  attempt: number
  placement: number
}

export function makeToken(key: Buffer, grant: Grant): string {
  const text = [grant.scope, grant.subject, grant.attempt, grant.placement].join('\n')
  return `tdfcb_${createHmac('sha256', key).update(text).digest('base64url')}`
}

/** The bearer token for an agent that the daemon installed. Derived, so that it can be made again at any time. */
export function agentToken(key: Buffer, nodeName: string): string {
  return `tdfag_${createHmac('sha256', key).update(`agent\n${nodeName}`).digest('base64url')}`
}

/** What a notice is answered with, by one of its verbs. Derived, so that a notice that is sent again carries the same. */
export function replyCode(key: Buffer, notice: string, verb: string): string {
  return createHmac('sha256', key).update(`reply\n${notice}\n${verb}`).digest('base64url')
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** The tokens that nodes call us with. */
export function callbackToken(install: Install, task: Task): string {
  const { attempt, placement } = task
  return makeToken(install.key, { scope: 'workspace', subject: task.workspaceId ?? '', attempt, placement })
}

export function nodeToken(install: Install, name: string): string {
  return makeToken(install.key, { scope: 'node', subject: name, attempt: 0, placement: 0 })
}
