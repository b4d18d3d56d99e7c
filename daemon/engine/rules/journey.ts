/**
 * The journey of a task as data: one row a step, read top to bottom. `next` lists every edge and why it is taken. What
 * a step does is in steps/, and steps/handlers.ts maps each step to its handler: one that takes an edge which is not
 * here does not compile, and neither does a row with an edge that its handler never takes.
 */
import type { Config } from '../../../src/config/schema/config.ts'
import type { ErrorCode } from '../../../src/core/errors.ts'
import type { Status, Step, Task, Verdict } from '../../../src/core/task.ts'

export interface JourneyRow {
  /** Each edge and the reason for taking it; the text labels the picture in the docs. */
  next: Readonly<Partial<Record<Step, string>>>
  /** The status that a live task has from here on; null leaves it as it is. */
  status: Extract<Status, 'queued' | 'delegated' | 'in_progress'> | null
  /** How long the step may take, in ms; null while it has no limit of its own. */
  deadlineMs(config: Config, task: Task): number | null
  /** What the task becomes when the step is out of time. */
  late: { code: ErrorCode; verdict: Verdict }
  /**
   * The step is one call to the node agent. A call that hangs is cut at the deadline, and the step is late then: an agent
   * that has proved who it is and does not answer the call has been looked at.
   */
  isOneCall?: true
}

const infrastructure = { code: 'STEP_DEADLINE', verdict: 'infrastructure' } as const
const timeout = { code: 'EXECUTION_TIMEOUT', verdict: 'timeout' } as const

export const journey = {
  node_selection: {
    next: {
      workspace_creation: 'a node with room was reserved',
      node_provisioning: 'a node was ordered',
    },
    status: 'queued',
    deadlineMs: config => config.runner.queueTimeout,
    late: { code: 'QUEUE_TIMEOUT', verdict: 'timeout' },
  },
  node_provisioning: {
    next: { node_agent_ready: 'the node is up', node_selection: 'the node was lost (counted)' },
    status: 'queued',
    deadlineMs: config => config.runner.provisionTimeout,
    late: infrastructure,
  },
  node_agent_ready: {
    next: { workspace_creation: 'the agent is healthy', node_selection: 'the node was lost (counted)' },
    status: 'queued',
    deadlineMs: config => config.runner.agentReadyTimeout,
    late: infrastructure,
  },
  workspace_creation: {
    next: { workspace_ready: 'the agent acknowledged', node_selection: 'the slot was lost (counted)' },
    status: null,
    deadlineMs: config => config.runner.dispatchTimeout,
    late: infrastructure,
    isOneCall: true,
  },
  workspace_ready: {
    next: { agent_session: 'the workspace is ready', workspace_creation: 'the acknowledgement is missing (counted)' },
    status: 'delegated',
    deadlineMs: config => config.runner.workspaceReadyTimeout,
    late: infrastructure,
  },
  agent_session: {
    next: { running: 'the agent took its prompt' },
    status: null,
    // A task that is parked here rests until its usage limit is lifted.
    deadlineMs: (config, task) => (task.status === 'parked' ? null : config.runner.dispatchTimeout),
    late: infrastructure,
    isOneCall: true,
  },
  running: {
    next: {
      salvage: 'the agent ended',
      awaiting_followup: 'the agent waits for you',
      agent_session: 'its conversation goes on in a new session',
    },
    status: 'in_progress',
    deadlineMs: config => config.runner.maxExecution,
    late: timeout,
  },
  awaiting_followup: {
    next: { running: 'a follow-up came', salvage: 'closed, or nobody answered' },
    status: 'in_progress',
    deadlineMs: config => config.runner.followupTimeout,
    late: timeout,
  },
  salvage: {
    next: {
      cleanup: 'the work is safe, or there is none',
      node_selection: 'its machine is released until it goes on (counted)',
    },
    status: null,
    deadlineMs: config => config.runner.salvageTimeout,
    late: { code: 'SALVAGE_FAILED', verdict: 'infrastructure' },
  },
  cleanup: {
    next: {},
    status: null,
    deadlineMs: () => null,
    late: infrastructure,
  },
} as const satisfies Readonly<Record<Step, JourneyRow>>

/** The steps that may follow `From`. */
export type NextOf<From extends Step> = Extract<keyof (typeof journey)[From]['next'], Step>

export const rowOf = (step: Step): JourneyRow => journey[step]

/** False for a step that only a newer build knows: its name comes from the database. */
export const isKnownStep = (step: string): step is Step => Object.hasOwn(journey, step)

export const isEdge = (from: Step, to: Step): boolean => Object.hasOwn(journey[from].next, to)
