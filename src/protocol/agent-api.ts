/** The VM agent's API: daemon → agent. Requests are parsed by the agent, answers by the daemon. */
import { z } from 'zod'
import { AGENT_TYPES } from '../core/agent.ts'
import { counter, cutText, EVENTS_PAGE_MAX, id, nullable, percent, TRANSCRIPT_CHARS_MAX, text } from './shapes.ts'
import { workspaceSource } from './workspace-source.ts'

const url = text(4096)
/** What a node may say of a failure, in characters. */
const ERROR_LENGTH_MAX = 64 * 1024
const DOING_LENGTH_MAX = 200
const COST_USD_MAX = 1_000_000 // a sum of some of these is still a number
const ref = text(1024)

export const registration = z.object({
  nodeName: id,
  installId: id,
  heartbeatMs: z.int().min(100).max(3_600_000),
  callback: z.object({ url, token: text(512) }),
  /** In bytes; without them the agent's own hold. */
  limits: z.object({ logMaxBytes: counter, salvageMaxBytes: counter, diskLowBytes: counter.optional() }).optional(),
})
export type Registration = z.output<typeof registration>

const paths = z.array(text(4096)).max(200)

/** Confines a command to its workspace; one that cannot be confined does not start. A path may begin with `~/`. */
export const sandbox = z.object({
  kind: z.enum(['bubblewrap']),
  hidden: paths,
  /** Shown although they would be hidden. */
  readable: paths,
  writable: paths,
})
export type Sandbox = z.output<typeof sandbox>

/** `GET /sandboxes/:kind`: what keeps this machine from it, tried anew; null when nothing does. An unknown kind is 404. */
export const sandboxState = z.object({ problem: nullable(cutText(4 * 1024)) })
export type SandboxState = z.output<typeof sandboxState>

const TRAILER = /^[A-Za-z][A-Za-z0-9-]*: \P{Cc}+$/u

export const createWorkspace = z.object({
  workspaceId: id,
  taskId: id,
  attempt: counter,
  source: workspaceSource,
  outputBranch: ref.min(1),
  author: z.object({ name: text(512), email: text(512) }),
  setup: nullable(z.object({ command: text(64 * 1024), timeoutMs: z.int().min(1) })),
  callback: z.object({ token: text(512) }),
  // What follows may be left out; a request without it is the same request as before it existed.
  /** Run as the node's own user before anything else, once on the node for each text of it. */
  install: z.object({ command: text(64 * 1024).min(1), timeoutMs: z.int().min(1) }).optional(),
  /** Stands at the end of the messages of commits that come about in the workspace. */
  trailer: z.string().max(512).regex(TRAILER, 'must be a line such as "Assisted-by: someone"').optional(),
  /** What becomes of `setup` in the repository's `.tdf.toml`; only where there is no `setup`. Left out: nothing. */
  repositorySetup: z.object({ policy: z.enum(['run', 'refuse']), timeoutMs: z.int().min(1) }).optional(),
  /** For what is run to set it up; each session has its own. Ask first whether the agent knows it. */
  sandbox: sandbox.optional(),
})
export type CreateWorkspace = z.output<typeof createWorkspace>

export const agentWorkspace = z.object({
  workspaceId: id,
  taskId: id,
  attempt: counter,
  status: z.enum(['creating', 'ready', 'failed', 'stopped']),
  errorMessage: nullable(cutText(ERROR_LENGTH_MAX)),
  /** It failed since the network or a server did, so that another time may do. */
  isPassing: z.boolean().optional(),
  /** The work tree on the node, for people who want to look. */
  path: z.string().max(4096).optional(),
  /** What its build does now, for people. */
  doing: cutText(DOING_LENGTH_MAX).optional(),
  /** The node lost what the bundle that came builds on: it has to come whole. */
  needsBundle: z.boolean().optional(),
  /** What of it is not as it was asked for, for people. */
  note: cutText(ERROR_LENGTH_MAX).optional(),
})
export type AgentWorkspace = z.output<typeof agentWorkspace>
export const agentWorkspaces = z.object({
  workspaces: z
    .array(agentWorkspace)
    .refine(all => new Set(all.map(({ workspaceId }) => workspaceId)).size === all.length, 'must be named once each'),
})

/** An agent may answer a creation with its id and status alone. */
export const workspaceAck = z.object({ workspaceId: id, status: text(64) })

export const startSession = z.object({
  sessionId: id,
  agent: z.object({
    type: z.enum(AGENT_TYPES),
    command: z
      .array(text(128 * 1024))
      .min(1)
      .max(4096),
    /** Further arguments of the user's, after those that the adapter adds. */
    args: z
      .array(text(128 * 1024))
      .max(4096)
      .optional(),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  }),
  prompt: text(512 * 1024),
  timeoutMs: nullable(z.int().min(1)),
  /**
   * The conversation that the prompt continues: what `resumeRef` of an earlier session's view says. On another machine
   * its files come with the workspace's bundle, which then holds `<ref>-session` beside `ref`.
   */
  resumeRef: nullable(text(512)),
  // What follows may be left out; a request without it is the same request as before it existed.
  model: text(256).min(1).optional(),
  /** The session is ended with outcome `budget` as soon as it reports to have cost more. */
  maxCostUsd: z.number().positive().optional(),
  /** How the agent's questions for permission are answered; left out: `allow`. `ask` waits for `POST …/permission`. */
  permissions: z.enum(['allow', 'deny', 'ask']).optional(),
  /** Ends the session (errorMessage `idle`) after this long without a byte of output and without processor time. */
  idleMs: z.int().min(1).optional(),
  /** Ask first whether the agent knows it. */
  sandbox: sandbox.optional(),
  /** Its agent may hand tasks over: it finds the way as TDF_MCP_URL. One that is older than this gives it none. */
  maySpawn: z.literal(true).optional(),
  /** Of commits from now on; and what becomes a file beside the work tree, which the prompt names as a record. */
  trailer: text(1024).optional(),
  transcript: text(TRANSCRIPT_CHARS_MAX).optional(),
})
export type StartSession = z.output<typeof startSession>

export const sessionAck = z.object({ sessionId: id, status: z.enum(['running', 'exited']) })

/** Input counts what was read from a cache too. A cost of null is unknown, not nothing. */
export const usage = z.object({
  inputTokens: counter,
  outputTokens: counter,
  costUsd: nullable(z.number().min(0).max(COST_USD_MAX)),
  /** The numbers count from the beginning of the conversation that was resumed, not from that of this session. */
  cumulative: z.boolean().optional(),
})

/** A question of the agent's that waits for an answer. */
export const pendingPermission = z.object({
  requestId: id,
  tool: cutText(512),
  /** What it wants to do, for people: a command, a path. At most 4 KiB. */
  detail: cutText(8 * 1024),
  at: text(64),
})

/** Why an agent did not succeed, as far as it can be told. More may be added. */
export const sessionFailure = z.enum([
  'auth', // no login, or one that was refused
  'usage_limit', // `resetAt` says until when, where the agent knows it
  'overloaded', // the model's service answered 5xx or 529, also after the agent's own tries
  'network', // the model's service could not be reached
  'budget',
  'turns', // a limit on turns that was set in the agent's arguments
  'refusal', // the model would not
  'denied', // a permission that it needed
  'interrupted', // the session, its runner or its machine was ended under it: it may be resumed
  'conversation', // it failed before it had done anything in the conversation that it was to go on with
  'unfinished', // the process ended without a word about how its work ended
  'other',
])

export const agentSession = z.object({
  sessionId: id,
  status: z.enum(['running', 'exited']),
  exitCode: nullable(z.int32()),
  signal: nullable(text(32)),
  startedAt: nullable(text(64)),
  lastOutputAt: nullable(text(64)),
  cpuMs: nullable(z.number().min(0)),
  resumeRef: nullable(text(512)),
  usage: nullable(usage),
  outcome: nullable(z.enum(['success', 'error', 'permission_denied', 'usage_limit', 'budget', 'none'])),
  summary: nullable(cutText(64 * 1024)),
  /** When the usage limit that ended it, or that it waits for, is lifted (ISO 8601). */
  resetAt: nullable(text(64)),
  errorMessage: nullable(cutText(ERROR_LENGTH_MAX)),
  failure: nullable(sessionFailure),
  agentVersion: nullable(cutText(256)),
  model: nullable(cutText(256)),
  /** Set while `permissions` is `ask` and the agent waits. */
  pendingPermission: nullable(pendingPermission),
  /** Set while the agent itself tries again to reach its model. */
  retrying: nullable(z.object({ attempt: counter, reason: cutText(4 * 1024), since: text(64) })),
  hasActed: z.boolean().optional(), // it has thought, written or used a tool
  usesTool: z.boolean().optional(), // a call of a tool has begun and not ended
  steerable: z.boolean().optional(), // whether `POST …/prompt` reaches the agent; else it answers 409 `not_steerable`
  /** Prompts that were taken by `POST …/prompt` and did not reach the agent before the end: they are the next session's. */
  undelivered: z.array(id).max(10_000).default([]),
})
export type AgentSession = z.output<typeof agentSession>

export const promptDelivery = z.object({ deliveryId: id, text: text(512 * 1024).min(1) })

/** `POST …/:sid/permission`: 202; the same answer again 200; 404 when nothing with this id is asked; 409 `session_exited`. */
export const permissionAnswer = z.object({
  requestId: id,
  decision: z.enum(['allow', 'deny']),
  message: text(4096).optional(),
})
export type PermissionAnswer = z.output<typeof permissionAnswer>

/** Counts changes that an older daemon could not deal with. 2: `leftOut` holds objects; 3: the failure `conversation`. */
export const AGENT_PROTOCOL = 3

/** Header of a request: the `stateId` of the agent that it is meant for. Another one refuses it where it is about a workspace. */
export const STATE_HEADER = 'x-tdf-state'

export const health = z.object({
  status: text(64),
  nodeName: id,
  stateId: id,
  version: text(64),
  /** The newest form of this API that it speaks. */
  protocol: z.int().min(1).default(1),
  cpuPercent: nullable(percent),
  memoryPercent: nullable(percent),
  diskPercent: nullable(percent),
  workspaces: counter,
})
export type Health = z.output<typeof health>

/** One row of the agent's outbox. Types that a newer agent adds are kept as they are and skipped by the daemon. */
export const agentEvent = z.object({
  seq: counter,
  at: text(64),
  type: text(128),
  workspaceId: nullable(id),
  taskId: nullable(id),
  attempt: nullable(counter),
  sessionId: nullable(id),
  data: z.record(z.string(), z.unknown()),
})
export type AgentEvent = z.output<typeof agentEvent>
export const agentEvents = z.object({
  stateId: id,
  /** In the order of their numbers, which rise. */
  events: z.array(agentEvent).max(EVENTS_PAGE_MAX),
  /** There are more: the page was full by its bytes. A page that is full by its rows needs no such word. */
  more: z.boolean().optional(),
})
export type AgentEvents = z.output<typeof agentEvents>

/** Every refusal of the agent has this shape. */
export const agentError = z.object({
  error: z.object({ code: z.string(), message: z.string(), field: z.string().optional() }),
})
