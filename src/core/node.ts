/** What a node is: a machine that runs workspaces, with a journey of its own through the same loop. */

export const NODE_STATUSES = [
  'ordered',
  'creating',
  'booting',
  'ready',
  'warm',
  'draining',
  'destroying',
  'destroyed',
  'held',
  'lost',
  'failed',
] as const
export type NodeStatus = (typeof NODE_STATUSES)[number]

/** Legal changes of a node's status. `ready` has work or may take it, `warm` is paid for and empty. */
export const NODE_EDGES = {
  ordered: ['creating', 'destroying', 'failed'],
  creating: ['booting', 'destroying', 'failed'],
  booting: ['ready', 'destroying', 'lost', 'failed'],
  ready: ['warm', 'draining', 'destroying', 'held', 'lost'],
  warm: ['ready', 'draining', 'destroying', 'held', 'lost'],
  draining: ['ready', 'destroying', 'held', 'lost'],
  destroying: ['destroyed', 'held'],
  held: ['ready', 'draining', 'destroying', 'lost'],
  lost: ['ready', 'destroying', 'held'],
  failed: ['destroying'],
  destroyed: [],
} as const satisfies Record<NodeStatus, readonly NodeStatus[]>

export const PROVIDERS = ['local', 'static', 'hetzner'] as const
export type ProviderName = (typeof PROVIDERS)[number]

/** How the daemon reaches the agent of a node. */
export type AgentAddress = { socket: string } | { url: string }

export interface Node {
  name: string
  provider: ProviderName
  status: NodeStatus
  rev: number
  size: string | null
  location: string | null
  /** What people see: a socket path, a url or an ip. */
  address: string | null
  /** True when a provider made the machine for us, so that it is ours to destroy. */
  autoProvisioned: boolean
  maxWorkspaces: number
  /** Names the agent's state folder; another one under the same name means that the old runs are gone. */
  stateId: string | null
  /** Sequence number up to which the agent's outbox was read. */
  cursor: number
  wakeAt: number | null
  deadlineAt: number | null
  waitingFor: string | null
  warmUntil: number | null
  pricePerHour: number | null
  facts: NodeFacts
  createdAt: number
  readyAt: number | null
  updatedAt: number
}

export interface NodeFacts {
  serverId?: string
  agentVersion?: string
  error?: string
  /** When its agent's outbox was last read. */
  pulledAt?: number
  /** The provider's work on it that is not over. */
  actionId?: number
  /** From when its hours are counted; an hour that has begun is paid for. */
  billedFrom?: number
  /** How often in a row its provider could not do what it was asked. */
  tries?: number
  /** Found at the provider without a row of ours. */
  adopted?: boolean
}

/** The last that was heard of a node. On a row of its own, so that liveness never looks like change. */
export interface Heartbeat {
  at: number
  cpuPercent: number | null
  memoryPercent: number | null
  diskPercent: number | null
}
