/**
 * Events are derived: what the records and session folders say, less what the outbox has. So it does not matter where
 * the power fails, and no event is ever made twice.
 */
import type { z } from 'zod'
import type { ProvisioningFailed, taskStatus, WorkspaceReady } from '../../protocol/callbacks.ts'
import { sanitize } from '../../text/sanitize.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { listSessions, type SessionState } from '../sessions/folder.ts'
import type { EventDraft } from '../state/outbox.ts'
import type { Workspace } from './workspace.ts'

const AGAIN_MS = 1_000

/** Puts into the outbox what is missing there; tries again later when the disk refuses it. */
export function report(agent: Agent, workspace: Workspace): void {
  if (workspace.deleted) return
  try {
    for (const draft of drafts(workspace)) {
      const { type, sessionId } = draft
      if (!agent.outbox.has(type, workspace.id, sessionId)) agent.outbox.add(draft)
    }
  } catch (error) {
    agent.log('error', 'event could not be stored', { workspace: workspace.id, reason: messageOf(error) })
    const cancel = agent.world.clock.timer(AGAIN_MS, () => report(agent, workspace))
    agent.ending.signal.addEventListener('abort', cancel, { once: true })
  }
}

function drafts(workspace: Workspace): EventDraft[] {
  const { built, errorMessage, isPassing, note } = workspace.record
  const events: EventDraft[] = []
  if (built === 'ready') {
    const data: Omit<WorkspaceReady, 'seq'> = note === null ? { status: 'running' } : { status: 'recovery', note }
    events.push(draft(workspace, 'workspace.ready', null, data))
  }
  if (built === 'failed') {
    const told = { errorMessage: errorMessage ?? 'the build failed' }
    const data: Omit<ProvisioningFailed, 'seq'> = isPassing ? { ...told, isPassing } : told
    events.push(draft(workspace, 'workspace.provisioning-failed', null, data))
  }
  for (const session of listSessions(workspace)) events.push(...sessionDrafts(workspace, session))
  return events
}

function sessionDrafts(workspace: Workspace, session: SessionState): EventDraft[] {
  const { attempt } = workspace.record.request
  const { exit } = session
  const { sessionId } = session.request
  if (exit?.cannotStart || !(session.started || exit)) return []
  const started = draft(workspace, 'session.started', sessionId, { attempt, sessionId })
  if (!exit) return [started]
  const { exitCode, signal, errorMessage } = exit
  const status = exitCode === 0 && errorMessage === null ? 'completed' : 'failed'
  const ended = { attempt, sessionId, status, exitCode, signal } as const
  const data: Omit<z.input<typeof taskStatus>, 'seq'> = errorMessage === null ? ended : { ...ended, errorMessage }
  return [started, draft(workspace, 'session.exited', sessionId, data)]
}

function draft(workspace: Workspace, type: string, sessionId: string | null, data: Record<string, unknown>) {
  const { taskId, attempt } = workspace.record.request
  return { type, workspaceId: workspace.id, taskId, attempt, sessionId, data }
}

const BYTES_MAX = 2048
const CREDENTIALS = /(:\/\/)[^/@\s]+@/g

/** Output of other programs, fit for a message: its end, harmless for a terminal and without passwords in urls. */
export function printable(text: string): string {
  const clean = sanitize(text).replace(CREDENTIALS, '$1***@').trim()
  const bytes = Buffer.from(clean)
  if (bytes.length <= BYTES_MAX) return clean
  return `…${bytes
    .subarray(-BYTES_MAX + 3)
    .toString('utf8')
    .replace(/^�+/, '')}`
}
