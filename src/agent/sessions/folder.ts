/**
 * A session is a folder. The agent writes `request.json` and `prompt`; its runner claims the folder, notes the start,
 * and leaves the end. Read in this order, they say where the session is, also after a crash of either.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { sandbox } from '../../protocol/agent-api.ts'
import { id, idPattern, nullable } from '../../protocol/shapes.ts'
import { codeOf } from '../errors.ts'
import { slotUser } from '../isolation/slot.ts'
import { readJson } from '../state/durable.ts'
import { processIdentity } from '../state/lock.ts'
import { sessionsFolder, type Workspace } from '../workspaces/workspace.ts'

/** Everything but the environment, which may hold secrets and goes from process to process only. */
export const sessionRequest = z.object({
  sessionId: id,
  workspaceId: id,
  taskId: id,
  attempt: z.int(),
  /** Counts the sessions of a workspace; clocks jump. */
  number: z.int(),
  contentHash: z.string(),
  type: z.string(),
  command: z.array(z.string()).min(1),
  stdin: z.enum(['prompt', 'nothing', 'dialogue']),
  resumeRef: z.string().nullable().default(null),
  model: z.string().nullable().default(null),
  permissions: z.enum(['allow', 'deny', 'ask']).default('allow'),
  maxCostUsd: z.number().nullable().default(null),
  idleMs: z.number().nullable().default(null),
  timeoutMs: nullable(z.number()),
  workTree: z.string(),
  createdAt: z.string(),
  /** Its agent may hand tasks over. */
  maySpawn: z.literal(true).optional(),
  /** Whose command it is; null: ours. */
  slot: slotUser.nullable().default(null),
  /** How the command is confined; null: not at all. */
  sandbox: sandbox.nullable().default(null),
})
export type SessionRequest = z.output<typeof sessionRequest>

/** What a command has that is not talked to. */
export const PLAIN = {
  ...{ resumeRef: null, model: null, maxCostUsd: null, idleMs: null },
  permissions: 'allow' as const,
}

/** Made exclusively: the process that made it decides about the start. A revoked session can never start. */
export const sessionClaim = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('runner'), runner: processIdentity }),
  z.object({ kind: z.literal('revoked') }),
])

export const sessionStart = z.object({
  startedAt: z.string(),
  /** The command's process; it heads a session and group of its own. Null ticks: it had ended before they were read. */
  leader: z.object({ pid: z.int(), startTicks: nullable(z.string()) }),
})

export const sessionExit = z.object({
  exitCode: nullable(z.int()),
  signal: nullable(z.string()),
  errorMessage: nullable(z.string()),
  startedAt: nullable(z.string()),
  endedAt: z.string(),
  /** Why the command could not be started at all. */
  cannotStart: nullable(z.string()),
})
export type SessionExit = z.output<typeof sessionExit>

export interface SessionState {
  folder: string
  request: SessionRequest
  claim: z.output<typeof sessionClaim> | null
  started: z.output<typeof sessionStart> | null
  exit: SessionExit | null
}

/** The session that a workspace's setup command runs in. */
export const SETUP = 'setup'

export const requestPath = (folder: string) => join(folder, 'request.json')
export const claimPath = (folder: string) => join(folder, 'claim.json')
export const startedPath = (folder: string) => join(folder, 'started.json')
export const exitPath = (folder: string) => join(folder, 'exit.json')
export const promptPath = (folder: string) => join(folder, 'prompt')
/** What other agents said before, for one that takes over; most sessions have none. */
export const transcriptPath = (folder: string) => join(folder, 'transcript')
export const outputPath = (folder: string) => join(folder, 'output.log')
export const timesPath = (folder: string) => join(folder, 'output.times')
export const cpuPath = (folder: string) => join(folder, 'cpu.json')
export const runnerLogPath = (folder: string) => join(folder, 'runner.log')
export const deliveriesFolder = (folder: string) => join(folder, 'prompts')
/** Answers of people to an agent's questions for permission. */
export const answersFolder = (folder: string) => join(folder, 'answers')

export function sessionFolder(workspace: Pick<Workspace, 'folder'>, sessionId: string): string {
  return join(sessionsFolder(workspace), sessionId)
}

/** Null when there is no such session, or when its request cannot be read. */
export function readSession(folder: string): SessionState | null {
  const request = readJson(requestPath(folder), sessionRequest)
  if (!request) return null
  return {
    folder,
    request,
    claim: readJson(claimPath(folder), sessionClaim),
    started: readJson(startedPath(folder), sessionStart),
    exit: readJson(exitPath(folder), sessionExit),
  }
}

/** The sessions that were asked for, oldest first, without the setup. */
export function listSessions(workspace: Pick<Workspace, 'folder'>): SessionState[] {
  return sessionIds(workspace)
    .filter(name => name !== SETUP)
    .flatMap(name => readSession(sessionFolder(workspace, name)) ?? [])
    .sort((one, other) => one.request.number - other.request.number)
}

export function sessionIds(workspace: Pick<Workspace, 'folder'>): string[] {
  try {
    return readdirSync(sessionsFolder(workspace)).filter(name => idPattern.test(name))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

export function isRunning(session: SessionState): boolean {
  return session.claim?.kind === 'runner' && session.exit === null
}

/** Prompts that a session took after its first. */
export function deliveryCount(session: SessionState): number {
  try {
    return readdirSync(deliveriesFolder(session.folder)).filter(name => name.endsWith('.json')).length
  } catch {
    return 0
  }
}
