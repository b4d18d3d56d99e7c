/** What follows from an outcome, and the rules that every status shares. */
import { pollBackoffMs, retryDelayMs } from '../../../src/core/backoff.ts'
import type { TdfError } from '../../../src/core/errors.ts'
import type { Node, NodeFacts } from '../../../src/core/node.ts'
import { nodeWaits } from '../../../src/text/waiting.ts'
import type { Handshake, NodeInput } from './outcome.ts'
import type { NodeChange } from './transition.ts'

/** What changes, and in how many ms the node is looked at again (null: never). `facts` are merged. */
export interface Next extends Omit<NodeChange, 'facts' | 'wakeAt' | 'updatedAt'> {
  ms: number | null
  facts?: Partial<NodeFacts>
  /** Gives up unsaved work, for this reason. */
  discard?: string
}

export const isLate = ({ deadlineAt }: Pick<Node, 'deadlineAt'>, { lookedAt }: NodeInput) =>
  deadlineAt !== null && lookedAt >= deadlineAt
export const isOfProvider = ({ code }: TdfError) => code === 'CAPACITY' || code.startsWith('PROVIDER_')
export const isAboutNode = ({ code }: TdfError) => /^(NODE|AGENT)_/.test(code)

export function destroying(waitingFor = nodeWaits.removal(), facts: Partial<NodeFacts> = {}): Next {
  return { status: 'destroying', ms: 0, waitingFor, facts }
}

/** What the agent said of itself, without the kind of the outcome. */
export const learnt = ({ stateId, cursor, facts }: Handshake) => ({ stateId, cursor, facts })

/** However often a provider refuses: the machine is asked for again, ever less often, and removed in the end. */
export function retry(node: Node, error: TdfError, input: NodeInput): Next {
  const { now, config, heartbeat, jitter } = input
  const { provisionPollInterval } = config.runner
  const waitingFor = error.message
  if (isOfProvider(error)) {
    const tries = (node.facts.tries ?? 0) + 1
    const ms = Math.max(retryDelayMs(tries, error, { config, jitter }), provisionPollInterval)
    return { ms, waitingFor, facts: { tries } }
  }
  const heardAt = Math.max(heartbeat?.at ?? 0, node.createdAt)
  const ms = pollBackoffMs(error.retryAfterMs ?? provisionPollInterval, now - heardAt)
  // A deadline in the future is never slept through; one that has passed says nothing any more.
  const untilDeadlineMs = node.deadlineAt !== null && node.deadlineAt > now ? node.deadlineAt - now : Infinity
  return { ms: Math.min(ms, untilDeadlineMs), waitingFor }
}
