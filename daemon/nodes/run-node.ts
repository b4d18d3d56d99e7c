/** One node, one step of its journey: read it, run the handler of its status, save what it says. */
import { pollBackoffMs } from '../../src/core/backoff.ts'
import { asTdfError, type TdfError } from '../../src/core/errors.ts'
import type { NodeFacts } from '../../src/core/node.ts'
import { pendingOn } from '../../src/store/tables/cleanups.ts'
import { type ReadNode, readHeartbeat, readNode } from '../../src/store/tables/nodes.ts'
import { liveWorkspaces, reservedOn } from '../../src/store/tables/slots.ts'
import { nodeSubject } from '../engine/loop.ts'
import { retryDelayMs } from '../engine/rules/decide.ts'
import { saveNode } from '../engine/save-node.ts'
import { alert } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'
import type { NodeContext, NodeOutcome } from './handler.ts'
import { nodeJourney } from './journey.ts'

export async function runNode(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  const { store, world, loop } = engine
  const node = readNode(store.sql, name)
  if (!node || node.wakeAt === null) return
  const outcome = await attempt(engine, node, signal)
  const now = world.clock.now()
  const { ms, ...change } = outcome
  const wakeAt = ms === null ? null : now + Math.ceil(Math.max(ms, 0))
  const saved = await store.commit(() => saveNode(engine, node, { ...change, wakeAt }))
  if (!saved) loop.schedule(nodeSubject(name), now)
}

/** A status has one handler; what it throws is waited out, for a machine is never given up by an exception. */
async function attempt(engine: Engine, node: ReadNode, signal: AbortSignal): Promise<NodeOutcome> {
  const { store, world } = engine
  const context: NodeContext = {
    engine,
    now: world.clock.now(),
    heartbeat: readHeartbeat(store.sql, node.name),
    workspaces: liveWorkspaces(store.sql, node.name).length,
    reservations: reservedOn(store.sql, node.name).length,
    unsaved: pendingOn(store.sql, node.name, 'salvage').length,
    signal,
  }
  try {
    const outcome = await nodeJourney[node.status](context, node)
    return node.facts.tries === undefined ? outcome : { ...outcome, facts: withoutTries(outcome.facts ?? node.facts) }
  } catch (thrown) {
    if (signal.aborted) return { ms: 0 }
    return waitOut(context, node, asTdfError(thrown))
  }
}

function withoutTries({ tries: _, ...facts }: NodeFacts): NodeFacts {
  return facts
}

/** However often a provider says no: the machine is asked for again, ever less often, and removed in the end. */
async function waitOut(ctx: NodeContext, node: ReadNode, error: TdfError): Promise<NodeOutcome> {
  const { engine, heartbeat, now } = ctx
  const { config, log, world } = engine
  const { provisionPollInterval } = config.runner
  const about = { node: node.name, code: error.code, err: error.code === 'BUG' ? error.stack : error.message }
  if (error.code === 'BUG') log.error(about, 'a node could not be run')
  if (!isOfProvider(error)) {
    const heardAt = Math.max(heartbeat?.at ?? 0, node.createdAt)
    const ms = pollBackoffMs(error.retryAfterMs ?? provisionPollInterval, now - heardAt)
    return { ms: Math.min(ms, untilDeadline(node, now)), waitingFor: error.message }
  }
  const tries = (node.facts.tries ?? 0) + 1
  if (tries === 1) log.warn(about, 'the provider could not do it yet')
  if (error.code === 'PROVIDER_AUTH') await alert(engine, { source: 'provider', subject: node.provider }, error)
  const delayMs = retryDelayMs(tries, error, { config, jitter: world.random.float() })
  const ms = Math.max(delayMs, provisionPollInterval)
  return { ms, waitingFor: error.message, facts: { ...node.facts, tries } }
}

/** What comes then is not put off by what is waited for; once it has come, it says nothing any more. */
const untilDeadline = ({ deadlineAt }: ReadNode, now: number) =>
  deadlineAt !== null && deadlineAt > now ? deadlineAt - now : Number.POSITIVE_INFINITY

const isOfProvider = ({ code }: TdfError) => code === 'CAPACITY' || code.startsWith('PROVIDER_')
