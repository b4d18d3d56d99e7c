/** What the handlers and the rules of a node are handed, over the engine. */
import type { Node } from '../../src/core/node.ts'
import type { MayVary, Provider } from '../../src/machines/provider.ts'
import { readAttempt, unsavedAttemptsOn } from '../../src/store/tables/attempts.ts'
import { pendingOn } from '../../src/store/tables/cleanups.ts'
import { type ReadNode, readHeartbeat } from '../../src/store/tables/nodes.ts'
import { liveWorkspaces, reservedOn } from '../../src/store/tables/slots.ts'
import { keepsMachines } from '../placement/admission.ts'
import type { Agents, Engine } from '../services.ts'
import { handshake } from './contact.ts'
import { pull } from './pull.ts'
import type { NodeInput, NodeOutcome } from './rules/outcome.ts'

export interface NodeContext extends NodeInput {
  /** Undefined when it is not enabled. */
  provider: Pick<Provider, 'ensure' | 'find' | 'destroy' | 'isOutdated' | 'hangUp'> | undefined
  agents: Pick<Agents, 'of' | 'forget' | 'needsHandshake'>
  /** Whether no task that waits for the machine has asked for its size, or for its location. */
  mayVary(): MayVary
  /** Throws while the agent does not answer, or answers as another node. */
  handshake(node: Node): Promise<Extract<NodeOutcome, { kind: 'handshaken' }>>
  /** Reads the agent's outbox; answers the new cursor. Throws NODE_UNREACHABLE or NODE_REPLACED. */
  pull(node: Node): Promise<number>
  /** Ends the run of the handler: the daemon stops. */
  signal: AbortSignal
}

/** What a decision is made from, read now; `lookedAt` is when the handler began. */
export function nodeInput(engine: Engine, { name }: Node, lookedAt?: number): NodeInput {
  const { store, world, config, loop } = engine
  const now = world.clock.now()
  return {
    now,
    lookedAt: lookedAt ?? now,
    config,
    jitter: world.random.float(),
    epochAt: loop.epochAt(),
    heartbeat: readHeartbeat(store.sql, name),
    workspaces: liveWorkspaces(store.sql, name).length,
    reservations: reservedOn(store.sql, name).length,
    unsaved: pendingOn(store.sql, name, 'salvage').length,
    unsavedAttempts: unsavedAttemptsOn(store.sql, name),
    keepsMachines: keepsMachines(engine),
  }
}

export function nodeContext(engine: Engine, node: ReadNode, signal: AbortSignal): NodeContext {
  return {
    ...nodeInput(engine, node),
    provider: engine.providers[node.provider],
    agents: engine.agents,
    mayVary() {
      const { sql } = engine.store
      const specs = reservedOn(sql, node.name).flatMap(key => readAttempt(sql, key)?.spec ?? [])
      return {
        size: specs.every(({ size }) => size === null),
        location: specs.every(({ location }) => location === null),
      }
    },
    handshake: async of => ({ kind: 'handshaken', ...(await handshake(engine, of, signal)) }),
    pull: of => pull(engine, of, signal),
    signal,
  }
}
