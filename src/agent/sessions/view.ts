/** What the node's agent answers about a session. */
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { z } from 'zod'
import type { AgentSession } from '../../protocol/agent-api.ts'
import { LOG_CHUNK_BYTES_MAX } from '../../protocol/shapes.ts'
import { codeOf, Refusal } from '../errors.ts'
import { readJson } from '../state/durable.ts'
import type { Workspace } from '../workspaces/workspace.ts'
import { adapterOf } from './adapters/index.ts'
import { listDeliveries, readFacts, type SessionFacts } from './facts.ts'
import { cpuPath, listSessions, outputPath, readSession, SETUP, type SessionState, sessionFolder } from './folder.ts'

const cpuFile = z.object({ cpuMs: z.number() })

export function sessionView(session: SessionState): AgentSession {
  const { request, started, exit, folder } = session
  const adapter = adapterOf(request.type)
  const facts = adapter?.reader ? (readFacts(folder) ?? NO_FACTS) : NO_FACTS
  const { accepted, verdict, ...reported } = facts
  return {
    sessionId: request.sessionId,
    status: exit ? 'exited' : 'running',
    exitCode: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    startedAt: started?.startedAt ?? exit?.startedAt ?? null,
    lastOutputAt: lastOutputAt(outputPath(folder)),
    cpuMs: readJson(cpuPath(folder), cpuFile)?.cpuMs ?? 0,
    ...reported,
    pendingPermission: exit ? null : reported.pendingPermission,
    retrying: exit ? null : reported.retrying,
    ...outcomeOf(session, verdict, adapter?.reader === null),
    errorMessage: exit?.errorMessage ?? null,
    steerable: adapter?.openProtocol !== null && exit === null,
    undelivered: exit ? undelivered(folder, accepted) : [],
  }
}

const NO_FACTS: SessionFacts = {
  ...{ resumeRef: null, agentVersion: null, model: null, usage: null, resetAt: null, retrying: null },
  ...{ pendingPermission: null, accepted: [], verdict: null },
}

/** A plain command reports nothing about itself. How an agent ended whose runner died is not known. */
function outcomeOf(
  { exit }: SessionState,
  verdict: SessionFacts['verdict'],
  isPlain: boolean,
): Pick<AgentSession, 'outcome' | 'failure' | 'summary'> {
  if (isPlain) return { outcome: 'none', failure: null, summary: null }
  if (!exit) return { outcome: null, failure: null, summary: null }
  return verdict ?? { outcome: 'error', failure: 'interrupted', summary: null }
}

function undelivered(folder: string, accepted: readonly string[]): string[] {
  return listDeliveries(folder)
    .map(({ deliveryId }) => deliveryId)
    .filter(deliveryId => !accepted.includes(deliveryId))
}

function lastOutputAt(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat && stat.size > 0 ? stat.mtime.toISOString() : null
}

/** A piece of a session's output, or of when it was written, by byte. */
export async function logChunk(
  workspace: Workspace,
  sessionId: string | null,
  afterByte: number,
  pathOf = outputPath,
): Promise<Buffer<ArrayBuffer>> {
  const session = sessionId === null ? newest(workspace) : readSession(sessionFolder(workspace, sessionId))
  if (sessionId !== null && !session) {
    throw new Refusal('not_found', `workspace ${workspace.id} has no session ${sessionId}`)
  }
  return session ? readFrom(pathOf(session.folder), afterByte) : Buffer.alloc(0)
}

/** Before the first session there may be the setup. */
function newest(workspace: Workspace): SessionState | null {
  return listSessions(workspace).at(-1) ?? readSession(sessionFolder(workspace, SETUP))
}

async function readFrom(path: string, afterByte: number): Promise<Buffer<ArrayBuffer>> {
  try {
    const file = await open(path, 'r')
    try {
      const room = Math.min(LOG_CHUNK_BYTES_MAX, (await file.stat()).size - afterByte)
      if (room <= 0) return Buffer.alloc(0)
      const buffer = Buffer.alloc(room)
      const { bytesRead } = await file.read(buffer, 0, room, afterByte)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
