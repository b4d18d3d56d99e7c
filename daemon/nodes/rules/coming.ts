/** A machine from the order to the first answer of its agent. */
import type { TdfError } from '../../../src/core/errors.ts'
import type { Machine, Node } from '../../../src/core/node.ts'
import { nodeWaits } from '../../../src/text/waiting.ts'
import { destroying, isLate, type Next, retry } from './next.ts'
import type { NodeInput } from './outcome.ts'

/** Tasks that wait for the agent give up first, with the reason; a machine that went before would be ordered anew. */
const AGENT_GRACE_MS = 5_000

/** No task waits for it, and its provider has not answered yet. What was asked for is looked for as it is destroyed. */
export const isUnwanted = (node: Node, { reservations }: Pick<NodeInput, 'reservations'>): boolean =>
  node.autoProvisioned && reservations === 0 && node.deadlineAt === null

export function notOrdered(node: Node, input: NodeInput): Next {
  if (!isUnwanted(node, input)) return { ms: 0 }
  return destroying(nodeWaits.absence())
}

export function created(node: Node, machine: Machine, input: NodeInput): Next {
  const { now } = input
  const { provisionTimeout, provisionPollInterval, agentReadyTimeout } = input.config.runner
  const { facts = {} } = machine
  if (machine.state === 'failed') return destroying(nodeWaits.removal(), { ...facts, error: machine.why })
  if (machine.state === 'up') {
    return {
      ...machine.about,
      status: 'booting',
      ms: 0,
      facts,
      address: machine.address,
      deadlineAt: node.autoProvisioned ? now + agentReadyTimeout + AGENT_GRACE_MS : null,
      waitingFor: nodeWaits.agent(node.name),
    }
  }
  // Its time runs from when there is a machine: waiting for capacity is not the machine's fault.
  const deadlineAt = node.deadlineAt ?? now + provisionTimeout
  if (isLate({ deadlineAt }, input) && node.autoProvisioned) {
    return destroying(nodeWaits.removal(), { ...facts, error: `not created in time: ${machine.why}` })
  }
  return { ...machine.about, ms: provisionPollInterval, facts, deadlineAt, waitingFor: machine.why }
}

/** A machine whose agent was never ready is worth nothing: it is destroyed, not kept warm. */
export function bootFailed(node: Node, error: TdfError, input: NodeInput): Next {
  const goes = isLate(node, input) && node.autoProvisioned && !input.keepsMachines && error.code !== 'BUG'
  if (!goes) return retry(node, error, input)
  return destroying(nodeWaits.removal(), { error: `its agent was never ready: ${error.message}` })
}
