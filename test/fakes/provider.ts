/** A provider as a model: its machines are fake agents that are simply there. */

import type { Transport } from '../../src/clients/transport.ts'
import type { Provider } from '../../src/machines/provider.ts'
import type { FakeAgent } from './agent.ts'

export interface StandingOptions {
  slots?: number
  /** How long the network takes for a request, one way, in ms. */
  latency?: Latency
}

export function standingProvider(
  agents: ReadonlyMap<string, FakeAgent>,
  { slots = 3, latency = instant }: StandingOptions = {},
): Provider {
  return {
    staticNodes: () =>
      [...agents.keys()].map(name => ({ name, size: null, location: null, address: 'model', maxWorkspaces: slots })),
    shell: () => null,
    catalogue: () => null,
    ensure: async () => ({ state: 'up', address: 'model' }),
    find: async () => ({ state: 'up', address: 'model' }),
    connect: async ({ name }) => {
      const agent = agents.get(name)
      if (!agent) throw new Error(`no agent ${name}`)
      return { transport: delayed(appTransport(agent), latency), token: 'agent-token' }
    },
    destroy: async () => true,
  }
}

/** Speaks with the model's routes in process: the same requests and answers, without a socket. */
export function appTransport({ app }: FakeAgent): Transport {
  return async ({ method, path, headers, body, signal, upload }) => {
    signal?.throwIfAborted()
    const sent = upload === undefined ? body : 'a bundle'
    const response = await app.request(path, { method, headers, ...(sent === undefined ? {} : { body: sent }) })
    signal?.throwIfAborted()
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    }
  }
}

/** Waits as long as the network takes. */
export type Latency = () => Promise<void> | void
const instant: Latency = () => {}

/** The request and its answer each take their time: what happens meanwhile happens before they arrive. */
export function delayed(transport: Transport, latency: Latency): Transport {
  return async exchange => {
    await latency()
    const answer = await transport(exchange)
    await latency()
    exchange.signal?.throwIfAborted()
    return answer
  }
}
