/** The seam behind which machines come from. Everything is keyed by the node's name and safe to ask twice. */
import type { AgentLine } from '../clients/transport.ts'
import type { Machine, MachineAbout, Node } from '../core/node.ts'

/** Whether size and place of an order are only defaults, so that others will do when there is no room. */
export interface MayVary {
  size: boolean
  location: boolean
}

/** A machine that carries the labels of this installation, whether or not it has a row. */
export interface MarkedMachine extends MachineAbout {
  nodeName: string
  id: string
  address: string | null
  createdAt: number
  /** The end of its lease, Unix ms; null when it has none. */
  leaseUntil: number | null
}

/** A machine that may be ordered, for placement and `--dry-run`. */
export interface Catalogue {
  sizes: readonly string[]
  locations: readonly string[]
}

export interface StaticNode {
  name: string
  size: string | null
  location: string | null
  address: string
  maxWorkspaces: number
  /** Takes it off the list; only where that is done while we run, not in the configuration. */
  forget?: () => void
}

export interface Provider {
  /** Nodes that are simply there: configured, or this machine itself. */
  staticNodes(): readonly StaticNode[]
  /** What can be ordered; null when nothing can. */
  catalogue(): Catalogue | null
  /** Makes the machine, or finds the one that was asked for before. Throws while it cannot be had. */
  ensure(node: Node, signal: AbortSignal, mayVary: MayVary): Promise<Machine>
  /** Looks for a machine that was there; `gone` only when it certainly is. Never makes one. */
  find(node: Node, signal: AbortSignal): Promise<Machine | { state: 'gone' }>
  /** A connection to the node's agent; who answers is not yet proved. */
  connect(node: Node): Promise<AgentLine>
  /** The command that runs a command line of `sh` on the node with a terminal; null when there is none. */
  shell(node: Node): readonly string[] | null
  /** Whether its agent is older than ours; only where tdf installs it. Hanging up makes the next dial replace it. */
  isOutdated?(node: Node): boolean
  hangUp?(node: Node): void
  /** What is done on the machine right now so that its agent can be reached, in words; null for nothing. Never waits. */
  doing?(node: Node): string | null
  /** True once the machine is certainly gone. */
  destroy(node: Node, signal: AbortSignal): Promise<boolean>
  /** Only where machines cost money by the hour and can be forgotten. */
  fleet?: MarkedFleet
}

/** All machines of an installation at once, to find those without an owner. */
export interface MarkedFleet {
  list(signal: AbortSignal): Promise<MarkedMachine[]>
  /** Renews its lease until then, in Unix ms; after that `tdf reap` ends it. */
  renew(machine: MarkedMachine, leaseUntil: number, signal: AbortSignal): Promise<void>
  /** Checks its labels once more and removes it. True once it is certainly gone. Throws when it is in use again. */
  remove(machine: MarkedMachine, signal: AbortSignal): Promise<boolean>
}
