/**
 * The journey of a task: one row a step, read top to bottom. `next` lists every edge and why it is taken; a handler
 * that takes another one does not compile, and neither does a row that lists more edges than its handler takes.
 */
import type { Config } from '../../../src/config/schema/schema.ts'
import type { ErrorCode } from '../../../src/core/errors.ts'
import type { Status, Step, Task, Verdict } from '../../../src/core/task.ts'
import { agentSession } from '../../steps/agent-session.ts'
import { cleanup } from '../../steps/cleanup.ts'
import { awaitingFollowup } from '../../steps/followup.ts'
import { nodeAgentReady, nodeProvisioning, nodeSelection } from '../../steps/node.ts'
import { endTold, running } from '../../steps/running.ts'
import { salvage } from '../../steps/salvage.ts'
import { workspaceCreation, workspaceReady, workspaceTold } from '../../steps/workspace.ts'
import type { StepHandler, ToldHandler } from './step.ts'

export interface Leg<Next extends Step = Step> {
  run: StepHandler<Next>
  /** What `run` would answer to what the task was told, where that takes no look outside: see at-once.ts. */
  told?: ToldHandler<NoInfer<Next>>
  /** Each edge and the reason for taking it; the text labels the picture in the docs. */
  next: Readonly<Record<NoInfer<Next>, string>>
  /** The status that a live task has from here on; null leaves it as it is. */
  status: Extract<Status, 'queued' | 'delegated' | 'in_progress'> | null
  /** How long the step may take, in ms; null while it has no limit of its own. */
  deadlineMs(config: Config, task: Task): number | null
  /** What the task has become when the step is out of time. */
  late: { code: ErrorCode; verdict: Verdict }
}

function leg<Next extends Step>(row: Leg<Next>): Leg {
  // Each row was checked against its own edges; from here on a row is looked up by name.
  return row as unknown as Leg
}

const infrastructure = { code: 'STEP_DEADLINE', verdict: 'infrastructure' } as const
const timeout = { code: 'EXECUTION_TIMEOUT', verdict: 'timeout' } as const

export const journey: Readonly<Record<Step, Leg>> = {
  node_selection: leg({
    run: nodeSelection,
    next: {
      workspace_creation: 'a node with room was reserved',
      node_provisioning: 'a node was ordered',
    },
    status: 'queued',
    deadlineMs: config => config.runner.queueTimeout,
    late: { code: 'QUEUE_TIMEOUT', verdict: 'timeout' },
  }),
  node_provisioning: leg({
    run: nodeProvisioning,
    next: { node_agent_ready: 'the node is up', node_selection: 'the node was lost (counted)' },
    status: 'queued',
    deadlineMs: config => config.runner.provisionTimeout,
    late: infrastructure,
  }),
  node_agent_ready: leg({
    run: nodeAgentReady,
    next: { workspace_creation: 'the agent is healthy', node_selection: 'the node was lost (counted)' },
    status: 'queued',
    deadlineMs: config => config.runner.agentReadyTimeout,
    late: infrastructure,
  }),
  workspace_creation: leg({
    run: workspaceCreation,
    next: { workspace_ready: 'the agent acknowledged', node_selection: 'the slot was lost (counted)' },
    status: null,
    deadlineMs: config => config.runner.dispatchTimeout,
    late: infrastructure,
  }),
  workspace_ready: leg({
    run: workspaceReady,
    told: workspaceTold,
    next: { agent_session: 'the workspace is ready', workspace_creation: 'the acknowledgement is missing (counted)' },
    status: 'delegated',
    deadlineMs: config => config.runner.workspaceReadyTimeout,
    late: infrastructure,
  }),
  agent_session: leg({
    run: agentSession,
    next: { running: 'the agent took its prompt' },
    status: null,
    // A task that is parked here rests until its usage limit is lifted.
    deadlineMs: (config, task) => (task.status === 'parked' ? null : config.runner.dispatchTimeout),
    late: infrastructure,
  }),
  running: leg({
    run: running,
    told: endTold,
    next: {
      salvage: 'the agent ended',
      awaiting_followup: 'the agent waits for you',
      agent_session: 'its conversation goes on in a new session',
    },
    status: 'in_progress',
    deadlineMs: config => config.runner.maxExecution,
    late: timeout,
  }),
  awaiting_followup: leg({
    run: awaitingFollowup,
    next: { running: 'a follow-up came', salvage: 'closed, or nobody answered' },
    status: 'in_progress',
    deadlineMs: config => config.runner.followupTimeout,
    late: timeout,
  }),
  salvage: leg({
    run: salvage,
    next: {
      cleanup: 'the work is safe, or there is none',
      node_selection: 'its machine is released until it goes on (counted)',
    },
    status: null,
    deadlineMs: config => config.runner.salvageTimeout,
    late: { code: 'SALVAGE_FAILED', verdict: 'infrastructure' },
  }),
  cleanup: leg({
    run: cleanup,
    next: {},
    status: null,
    deadlineMs: () => null,
    late: infrastructure,
  }),
}
