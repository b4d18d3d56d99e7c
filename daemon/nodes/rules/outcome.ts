/** What the look at a machine answers, and what a decision about its node is made from. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { TdfError } from '../../../src/core/errors.ts'
import type { Heartbeat, Machine, Node, NodeFacts } from '../../../src/core/node.ts'

/** What happened outside; what follows from it is decided elsewhere. */
export type NodeOutcome =
  /** Nothing had to be asked outside. */
  | { kind: 'nothing' }
  /** Nothing could be asked, because of the configuration. */
  | { kind: 'wait'; why: string }
  /** What the provider says of the machine that was ordered. */
  | { kind: 'machine'; machine: Machine }
  /** The provider is certain that there is no machine. */
  | { kind: 'gone' }
  /** The provider was told to destroy the machine. */
  | { kind: 'removed'; isGone: boolean }
  /** The agent took the handshake. */
  | ({ kind: 'handshaken' } & Handshake)
  /** The agent's outbox was read up to `cursor`. `needsHandshake`: over a connection that the agent does not know yet. */
  | { kind: 'pulled'; at: number; cursor: number; needsHandshake: boolean }
  | { kind: 'failed'; error: TdfError }
  /** The daemon stops, or the node was interrupted. */
  | { kind: 'interrupted' }

/** What the agent says of itself. */
export interface Handshake extends Pick<Node, 'stateId' | 'cursor'> {
  facts: Pick<NodeFacts, 'agentVersion'>
}

/** Read in the transaction that writes the decision. */
export interface NodeInput {
  /** Unix ms. */
  now: number
  /** When the handler began: a deadline that passes during a look is judged by the next look. */
  lookedAt: number
  config: Config
  /** Uniform in [0, 1): spreads the retries. */
  jitter: number
  /** When the daemon last began to look at the outside: its start, or the end of a gap of the clock. */
  epochAt: number
  heartbeat: Heartbeat | null
  /** Workspaces that occupy a slot. */
  workspaces: number
  reservations: number
  /** Results on the node whose salvage is overdue. */
  unsaved: number
  /** Live attempts whose work is still on the node. */
  unsavedAttempts: number
  /** No machine goes, since a restored database does not know yet what is on them. */
  keepsMachines: boolean
}
