/** Asks the provider for the machine, or finds the one that was asked for before: its name is the key. */
import { readAttempt } from '../../src/store/attempts.ts'
import { reservedOn } from '../../src/store/slots.ts'
import type { Engine } from '../deps.ts'
import type { NodeHandler } from './handler.ts'

export const creating: NodeHandler = async ({ engine, now, signal, reservations }, node) => {
  const { providers, config } = engine
  // Whoever it was ordered for has gone elsewhere, or away. What was asked for and not answered is looked for at its end.
  if (node.autoProvisioned && reservations === 0 && node.deadlineAt === null) {
    return {
      status: 'destroying',
      ms: 0,
      waitingFor: 'the provider to confirm that there is none: nobody waits for it any more',
    }
  }
  const provider = providers[node.provider]
  if (!provider)
    return { ms: config.runner.provisionPollInterval, waitingFor: `provider ${node.provider} to be enabled` }
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
      waitingFor: `the agent of ${node.name}`,
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
