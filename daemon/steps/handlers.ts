/** Which handler runs each step. The rows of the journey type it: its edges are theirs, no more and no fewer. */
import type { Step } from '../../src/core/task.ts'
import type { NextOf } from '../engine/rules/journey.ts'
import { agentSession } from './agent-session.ts'
import { cleanup } from './cleanup.ts'
import { awaitingFollowup } from './followup.ts'
import { nodeAgentReady, nodeProvisioning, nodeSelection } from './node.ts'
import { endFromSignals, running } from './running.ts'
import { salvage } from './salvage.ts'
import type { InlineHandler, StepHandler } from './step.ts'
import { workspaceCreation, workspaceFromSignals, workspaceReady } from './workspace.ts'

export interface Handler<Next extends Step = Step> {
  run: StepHandler<Next>
  /** What `run` would answer to the signals of the task, where that takes no call outside: see signals.ts. */
  inline?: InlineHandler<Next>
}

const table = {
  node_selection: { run: nodeSelection },
  node_provisioning: { run: nodeProvisioning },
  node_agent_ready: { run: nodeAgentReady },
  workspace_creation: { run: workspaceCreation },
  workspace_ready: { run: workspaceReady, inline: workspaceFromSignals },
  agent_session: { run: agentSession },
  running: { run: running, inline: endFromSignals },
  awaiting_followup: { run: awaitingFollowup },
  salvage: { run: salvage },
  cleanup: { run: cleanup },
} satisfies { readonly [S in Step]: Handler<NextOf<S>> }

type Taken<H> = H extends { run: StepHandler<infer Next> } ? Next : never
type NeverTaken = { [S in Step]: Exclude<NextOf<S>, Taken<(typeof table)[S]>> }[Step]
/** Does not compile while a row has an edge that its handler never takes. */
const neverTaken: [NeverTaken] extends [never] ? true : false = true
void neverTaken

export const handlers: { [S in Step]: Handler } = table
