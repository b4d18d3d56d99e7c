/** Asks the provider for the machine, or finds the one that was asked for before: its name is the key. */
import type { NodeHandler } from './journey.ts'

export const creating: NodeHandler = async ({ engine, now, signal }, node) => {
  const { providers, config } = engine
  const provider = providers[node.provider]
  if (!provider)
    return { ms: config.runner.provisionPollInterval, waitingFor: `provider ${node.provider} to be enabled` }
  const machine = await provider.ensure(node, signal)
  const facts = { ...node.facts, ...machine.facts }
  if (machine.state === 'up') {
    const deadlineAt = node.autoProvisioned ? now + config.runner.agentReadyTimeout : null
    return {
      status: 'booting',
      ms: 0,
      facts,
      address: machine.address,
      deadlineAt,
      waitingFor: `the agent of ${node.name}`,
    }
  }
  const isLate = node.deadlineAt !== null && now >= node.deadlineAt
  if (isLate && node.autoProvisioned) {
    return { status: 'destroying', ms: 0, facts: { ...facts, error: `not created in time: ${machine.why}` } }
  }
  return { ms: config.runner.provisionPollInterval, facts, waitingFor: machine.why }
}
