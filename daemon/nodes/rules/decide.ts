/**
 * What a node becomes after an outcome, as one pure function: attempts, backoff, deadlines and edges. It reads no clock,
 * store or randomness; all are handed in.
 */
import { TdfError } from '../../../src/core/errors.ts'
import type { Node, NodeStatus } from '../../../src/core/node.ts'
import { bootFailed, created, notOrdered } from './coming.ts'
import { foundAgain, hold, holdUnsaved, lostForGood, removed, stillLost } from './going.ts'
import { learnt, type Next, retry } from './next.ts'
import type { NodeInput, NodeOutcome } from './outcome.ts'
import { drain, notAnswering, serve, vanished } from './serving.ts'
import { type NodeTransition, type NodeWrite, nodeTransition } from './transition.ts'

type Kind = NodeOutcome['kind']
type Rule<K extends Kind> = (node: Node, outcome: Extract<NodeOutcome, { kind: K }>, input: NodeInput) => Next
type Rules = { readonly [K in Kind]?: Rule<K> }

/** Throws BUG when this is no outcome of the node's status, and when the status may not change so. */
export function decideNode(node: Node, outcome: NodeOutcome, input: NodeInput): NodeTransition {
  // The table gives each kind its own rule; the compiler cannot see that the two kinds are the same.
  const rule = (RULES[node.status][outcome.kind] ?? ALWAYS[outcome.kind]) as Rule<Kind> | undefined
  if (!rule) throw new TdfError('BUG', `node ${node.name} is ${node.status}: "${outcome.kind}" is no outcome of that`)
  const { ms, discard, facts, ...change } = rule(node, outcome, input)
  // Counted anew: whatever is not one more failure of the provider ends the row of them. So does a sound answer.
  const { tries: _, suspect, ...known } = node.facts
  const wakeAt = ms === null ? null : input.now + Math.ceil(Math.max(ms, 0))
  const isSound = suspect !== undefined && facts?.suspect === undefined
  const writes: NodeWrite[] = [
    ...(discard === undefined ? [] : [{ kind: 'discard_work', reason: discard } as const]),
    ...(isSound ? [{ kind: 'place' } as const] : []),
  ]
  return nodeTransition(node, { ...change, facts: { ...known, ...facts }, wakeAt }, input.now, writes)
}

const ALWAYS: Rules = {
  interrupted: ({ facts }) => ({ ms: 0, facts }),
  failed: (node, { error }, input) => retry(node, error, input),
}

/** After a handshake the outbox is read soon, but never without a pause: what failed may fail again. */
const AFTER_HANDSHAKE_MS = 250

type Pulled = Extract<NodeOutcome, { kind: 'pulled' }>
const afterPull = ({ needsHandshake, cursor, at }: Pulled, next: Next): Next => ({
  ...next,
  ms: needsHandshake ? 0 : next.ms,
  cursor,
  facts: { ...next.facts, pulledAt: at },
})

const SERVING: Rules = {
  nothing: (node, _outcome, input) => serve(node, input),
  pulled: (node, outcome, input) => afterPull(outcome, serve(node, input)),
  handshaken: (_node, outcome) => ({ ...learnt(outcome), waitingFor: null, ms: AFTER_HANDSHAKE_MS }),
  gone: () => vanished,
  failed: (node, { error }, input) => notAnswering(node, error, input),
}

const RULES: Readonly<Record<NodeStatus, Rules>> = {
  ordered: { nothing: () => ({ status: 'creating', ms: 0 }) },
  creating: {
    nothing: (node, _outcome, input) => notOrdered(node, input),
    wait: (_node, { why }, { config }) => ({ ms: config.runner.provisionPollInterval, waitingFor: why }),
    machine: (node, { machine }, input) => created(node, machine, input),
  },
  booting: {
    handshaken: ({ readyAt }, outcome, { now, config }) => ({
      ...learnt(outcome),
      status: 'ready',
      readyAt: readyAt ?? now,
      deadlineAt: null,
      waitingFor: null,
      ms: config.nodes.heartbeatInterval,
    }),
    failed: (node, { error }, input) => bootFailed(node, error, input),
  },
  ready: SERVING,
  warm: SERVING,
  draining: {
    ...SERVING,
    nothing: (node, _outcome, input) => drain(node, input),
    pulled: (node, outcome, input) => afterPull(outcome, drain(node, input)),
  },
  held: {
    nothing: (node, _outcome, input) => hold(node, input),
    handshaken: (_node, outcome) => ({ ...learnt(outcome), ms: 0 }),
  },
  lost: {
    gone: (_node, _outcome, input) => lostForGood(input),
    handshaken: (_node, outcome, input) => foundAgain(outcome, input),
    failed: (node, { error }, input) => stillLost(node, error, input),
  },
  destroying: {
    nothing: (_node, _outcome, input) => holdUnsaved(input),
    removed: (_node, { isGone }, input) => removed(isGone, input),
  },
  failed: { nothing: () => ({ ms: null }) },
  destroyed: { nothing: () => ({ ms: null }) },
}
