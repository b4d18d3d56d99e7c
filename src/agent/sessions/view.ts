/** What the agent tells about a session. */
import { statSync } from 'node:fs'
import { z } from 'zod'
import type { AgentSession } from '../../protocol/agent-api.ts'
import { readJson } from '../state/json-file.ts'
import { cpuPath, outputPath, type SessionState } from './folder.ts'

const cpuFile = z.object({ cpuMs: z.number() })

/** A plain command reports nothing about itself, so its outcome is `none` and what agents would fill in is null. */
export function sessionView(session: SessionState): AgentSession {
  const { request, started, exit, folder } = session
  return {
    sessionId: request.sessionId,
    status: exit ? 'exited' : 'running',
    exitCode: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    startedAt: started?.startedAt ?? exit?.startedAt ?? null,
    lastOutputAt: lastOutputAt(outputPath(folder)),
    cpuMs: readJson(cpuPath(folder), cpuFile)?.cpuMs ?? 0,
    resumeRef: null,
    usage: null,
    outcome: 'none',
    summary: null,
    resetAt: null,
    errorMessage: exit?.errorMessage ?? null,
    failure: null,
    agentVersion: null,
    model: null,
    pendingPermission: null,
    retrying: null,
    steerable: false,
    undelivered: [],
  }
}

function lastOutputAt(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat && stat.size > 0 ? stat.mtime.toISOString() : null
}
