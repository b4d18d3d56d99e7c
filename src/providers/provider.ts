/** The seam behind which machines come from. Everything is keyed by the node's name and safe to ask twice. */
import type { AgentLine } from '../agent-client.ts'
import type { Node, NodeFacts } from '../node.ts'

/** A machine as its provider sees it. */
export type Machine =
  | { state: 'up'; address: string; facts?: Partial<NodeFacts> }
  /** On its way; `why` is a sentence for people. */
  | { state: 'coming'; why: string; facts?: Partial<NodeFacts> }

/** A machine that may be ordered, for placement and `--dry-run`. */
export interface Catalogue {
  sizes: readonly string[]
  locations: readonly string[]
}

export interface StandingNode {
  name: string
  size: string | null
  location: string | null
  address: string
  maxWorkspaces: number
}

export interface Provider {
  /** Nodes that are simply there: configured, or this machine itself. */
  standing(): readonly StandingNode[]
  /** What can be ordered; null when nothing can. */
  catalogue(): Catalogue | null
  /** Makes the machine, or finds the one that was asked for before. */
  ensure(node: Node, signal: AbortSignal): Promise<Machine>
  /** Looks for a machine that was there; `gone` only when it certainly is. Never makes one. */
  find(node: Node, signal: AbortSignal): Promise<Machine | { state: 'gone' }>
  /** A way to the node's agent; who answers is not yet proved. */
  connect(node: Node): Promise<AgentLine>
  /** The command that runs a command line of `sh` on the node with a terminal; null when there is no such way. */
  shell(node: Node): readonly string[] | null
  /** True once the machine is certainly gone. */
  destroy(node: Node, signal: AbortSignal): Promise<boolean>
}
