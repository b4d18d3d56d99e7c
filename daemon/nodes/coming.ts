/** Asks the provider for the machine, or finds the one that was asked for before: its name is the key. */
import { TdfError } from '../../src/core/errors.ts'
import { readAttempt } from '../../src/store/tables/attempts.ts'
import { reservedOn } from '../../src/store/tables/slots.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { keepsMachines } from '../placement/admission.ts'
import type { Engine } from '../services.ts'
import { handshake } from './contact.ts'
import type { NodeHandler } from './handler.ts'

export const creating: NodeHandler = async ({ engine, now, signal, reservations }, node) => {
  const { providers, config } = engine
  // Whoever it was ordered for has gone elsewhere, or away. What was asked for and not answered is looked for at its end.
  if (node.autoProvisioned && reservations === 0 && node.deadlineAt === null) {
    return {
      status: 'destroying',
      ms: 0,
      waitingFor: nodeWaits.absence(),
    }
  }
  const provider = providers[node.provider]
  if (!provider) return { ms: config.runner.provisionPollInterval, waitingFor: nodeWaits.provider(node.provider) }
  const machine = await provider.ensure(node, signal, mayVary(engine, node.name))
  const facts = { ...node.facts, ...machine.facts }
  if (machine.state === 'failed') return giveUp(facts, machine.why)
  const about = machine.about ?? {}
  if (machine.state === 'up') {
    const deadlineAt = node.autoProvisioned ? now + config.runner.agentReadyTimeout : null
    return {
      ...about,
      status: 'booting',
      ms: 0,
      facts,
      address: machine.address,
      deadlineAt,
      waitingFor: nodeWaits.agent(node.name),
    }
  }
  // Its time runs from when there is a machine: waiting for room is not the machine's fault.
  const deadlineAt = node.deadlineAt ?? now + config.runner.provisionTimeout
  if (now >= deadlineAt && node.autoProvisioned) return giveUp(facts, `not created in time: ${machine.why}`)
  return { ...about, ms: config.runner.provisionPollInterval, facts, deadlineAt, waitingFor: machine.why }
}

const giveUp = (facts: object, error: string) => ({ status: 'destroying' as const, ms: 0, facts: { ...facts, error } })

/** Nobody who waits for this machine has asked for its size, or for its place. */
function mayVary({ store }: Engine, nodeName: string): { size: boolean; location: boolean } {
  const specs = reservedOn(store.sql, nodeName).flatMap(key => readAttempt(store.sql, key)?.spec ?? [])
  return {
    size: specs.every(({ size }) => size === null),
    location: specs.every(({ location }) => location === null),
  }
}

/** Waits for the node's agent to answer with the right name, tells it where to call, and learns its state id. */

export const booting: NodeHandler = async (ctx, node) => {
  const { engine, now } = ctx
  try {
    const handshaken = await handshake(ctx, node)
    return {
      ...handshaken,
      status: 'ready',
      readyAt: node.readyAt ?? now,
      deadlineAt: null,
      waitingFor: null,
      ms: engine.config.nodes.heartbeatInterval,
    }
  } catch (thrown) {
    const isLate = node.deadlineAt !== null && now >= node.deadlineAt
    const stays = !node.autoProvisioned || keepsMachines(engine)
    if (!isLate || stays || !(thrown instanceof TdfError)) throw thrown
    // A machine whose agent was never ready is worth nothing: it is destroyed, not kept warm.
    return {
      status: 'destroying',
      ms: 0,
      facts: { ...node.facts, error: `its agent was never ready: ${thrown.message}` },
    }
  }
}
