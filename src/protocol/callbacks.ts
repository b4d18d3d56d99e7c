/** Callbacks: VM agent → daemon. The same bodies are the `data` of the agent's outbox events. */
import { z } from 'zod'
import { counter, id, nullable, percent, text } from './shapes.ts'

const errorText = text(64 * 1024)

/** `note`: what of it is not as it was asked for, where its status is `recovery`. */
export const workspaceReady = z.object({
  seq: counter,
  status: z.enum(['running', 'recovery']),
  note: text(2048).optional(),
})
export type WorkspaceReady = z.output<typeof workspaceReady>

/** `isPassing`: the network or a server failed, so that another time may do. */
export const provisioningFailed = z.object({ seq: counter, errorMessage: errorText, isPassing: z.boolean().optional() })
export type ProvisioningFailed = z.output<typeof provisioningFailed>

export const taskStatus = z.object({
  seq: counter,
  attempt: counter,
  sessionId: id,
  status: z.enum(['completed', 'failed']),
  exitCode: nullable(z.int()),
  signal: nullable(text(32)),
  errorMessage: nullable(errorText),
})
export type TaskStatusBody = z.output<typeof taskStatus>

export const nodeReady = z.object({ agentVersion: text(64), stateId: id })
export type NodeReady = z.output<typeof nodeReady>

export const nodeHeartbeat = z.object({
  stateId: id,
  cpuPercent: percent,
  memoryPercent: percent,
  diskPercent: percent,
  workspaces: counter,
})
export type NodeHeartbeat = z.output<typeof nodeHeartbeat>

/** A call that was stored, or the reason why it changes nothing. */
export type CallbackAnswer = { accepted: true } | { accepted: false; reason: string }
