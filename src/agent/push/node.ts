/** What the agent says about its node: ready after each registration and start, then a heartbeat. */
import type { NodeHeartbeat, NodeReady } from '../../protocol/callbacks.ts'
import type { Cancel } from '../../world.ts'
import type { Agent } from '../agent.ts'
import type { MachineLoad } from '../machine/load.ts'
import { AGENT_VERSION } from '../version.ts'
import { callbackUrl } from './events.ts'
import { openLane } from './lane.ts'
import { post } from './post.ts'

export interface NodePusher {
  registered(): void
  stop(): void
}

export function startNodePusher(agent: Agent, load: () => MachineLoad): NodePusher {
  const { world, log, identity } = agent
  const stopped = new AbortController()
  let readyOwed = true
  let cancelHeartbeat: Cancel = () => {}
  const pushTo = (what: string, body: unknown) => {
    const registration = agent.registration.current()
    if (!registration) return null
    const url = callbackUrl(registration, `/nodes/${registration.nodeName}/${what}`)
    return { url, token: registration.callback.token, body }
  }

  const lane = openLane(world, log, () => {
    const body: NodeReady = { agentVersion: AGENT_VERSION, stateId: identity.stateId }
    const push = readyOwed ? pushTo('ready', body) : null
    const owed = agent.registration.current()
    const settled = () => {
      // A registration that came meanwhile is owed a push of its own.
      if (agent.registration.current() === owed) readyOwed = false
    }
    return push && { name: 'node ready', push, settled }
  })
  /** Not tried again: the next one says more. */
  const heartbeat = async () => {
    const body: NodeHeartbeat = { stateId: identity.stateId, ...load(), workspaces: agent.workspaces.size }
    const push = pushTo('heartbeat', body)
    if (push) await post(world, push, stopped.signal)
    if (!stopped.signal.aborted) armHeartbeat()
  }
  const armHeartbeat = () => {
    const everyMs = agent.registration.current()?.heartbeatMs
    cancelHeartbeat()
    if (everyMs !== undefined) cancelHeartbeat = world.clock.timer(everyMs, () => void heartbeat())
  }
  lane.wake()
  armHeartbeat()
  return {
    registered: () => {
      readyOwed = true
      lane.wake(true)
      armHeartbeat()
    },
    stop: () => {
      stopped.abort()
      cancelHeartbeat()
      lane.stop()
    },
  }
}
