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

type HasStatus = { status: NodeStatus }

/** Takes new work now. */
export const isServing = ({ status }: HasStatus): boolean => status === 'ready' || status === 'warm'
/** There is no machine yet. */
export const isOrdered = ({ status }: HasStatus): boolean => status === 'ordered' || status === 'creating'
/** A slot can be reserved on it: it serves, or it is on its way there. */
export const canPlace = (node: HasStatus): boolean => isServing(node) || isOrdered(node) || node.status === 'booting'
/** Work runs on it, or may. */
export const isInUse = (node: HasStatus): boolean => isServing(node) || node.status === 'draining'
/** A machine must be there; when its provider does not list it, something is wrong. */
export const hasMachine = (node: HasStatus): boolean =>
  isInUse(node) || node.status === 'booting' || node.status === 'held'
/** Unsaved work may be on it, so that it can be held. */
export const canBeHeld = (node: HasStatus): boolean =>
  isInUse(node) || node.status === 'lost' || node.status === 'destroying'
/** Its provider confirmed that there is no machine any more. */
export const isGone = ({ status }: HasStatus): boolean => status === 'destroyed'
/** Its journey is over; a machine of that name should not exist. */
export const isOver = (node: HasStatus): boolean => isGone(node) || node.status === 'failed'

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
  /** Why it gets no new work: its agent gave an answer that is not taken. */
  suspect?: string
  /** Found at the provider without a row of ours. */
  adopted?: boolean
  /** A node of its user's that is not in the configuration any more. */
  isUnlisted?: boolean
}

/** The last heartbeat of a node. On a row of its own, so that liveness never looks like change. */
export interface Heartbeat {
  at: number
  cpuPercent: number | null
  memoryPercent: number | null
  diskPercent: number | null
}

/** A machine as its provider sees it. `facts` and `about` are merged into its node. */
export type Machine =
  | { state: 'up'; address: string; facts?: Partial<NodeFacts>; about?: MachineAbout }
  /** On its way; `why` is a sentence for people. */
  | { state: 'coming'; why: string; facts?: Partial<NodeFacts>; about?: MachineAbout }
  /** It cannot be made. What exists of it is destroyed, and another is ordered under another name. */
  | { state: 'failed'; why: string; facts?: Partial<NodeFacts> }

/** What the provider chose, where the order left that open. `pricePerHour` is gross, in the currency of the provider. */
export type MachineAbout = Pick<Node, 'size' | 'location' | 'pricePerHour'>
