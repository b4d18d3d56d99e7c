/** One node, one step of its journey: read it, run the handler of its status, decide, save. */
import { asTdfError, type TdfError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { type ReadNode, readNode } from '../../src/store/tables/nodes.ts'
import { nodeSubject } from '../engine/loop.ts'
import { writeNode } from '../engine/save-node.ts'
import { alert } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'
import { nodeJourney } from './journey.ts'
import { nodeContext, nodeInput } from './node-context.ts'
import { decideNode } from './rules/decide.ts'
import { isOfProvider } from './rules/next.ts'
import type { NodeOutcome } from './rules/outcome.ts'

export async function runNode(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  const { store, world, loop } = engine
  const node = readNode(store.sql, name)
  if (!node || node.wakeAt === null) return
  const lookedAt = world.clock.now()
  const outcome = await look(engine, node, signal)
  if (outcome.kind === 'failed') await report(engine, node, outcome.error)
  const saved = await store.commit(() => {
    const decided = decideNode(node, outcome, nodeInput(engine, node, lookedAt))
    return writeNode(engine, node, decided)
  })
  if (!saved) loop.schedule(nodeSubject(name), world.clock.now())
}

/** The handler's answer, or what it threw as one: a machine is never given up by an exception. */
async function look(engine: Engine, node: ReadNode, signal: AbortSignal): Promise<NodeOutcome> {
  try {
    const context = nodeContext(engine, node, signal)
    // No machine is ordered or destroyed by what may never be stored.
    const settled = engine.store.settled()
    if (settled) await settled
    return await nodeJourney[node.status](context, node)
  } catch (thrown) {
    return signal.aborted ? { kind: 'interrupted' } : { kind: 'failed', error: asTdfError(thrown) }
  }
}

async function report(engine: Engine, { name, provider, facts }: Node, error: TdfError): Promise<void> {
  const about = { node: name, code: error.code, err: error.code === 'BUG' ? error.stack : error.message }
  if (error.code === 'BUG') engine.log.error(about, 'a node could not be run')
  if (error.code === 'AGENT_PROTOCOL') await alert(engine, { source: 'node', subject: name }, error)
  if (!isOfProvider(error)) return
  if (facts.tries === undefined) engine.log.warn(about, 'the provider could not do it yet')
  if (error.code === 'PROVIDER_AUTH') await alert(engine, { source: 'provider', subject: provider }, error)
}
