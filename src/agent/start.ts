/** The agent as a whole: state, parts, listener; and its end, which leaves sessions running. */
import { join } from 'node:path'
import process from 'node:process'
import { getRequestListener } from '@hono/node-server'
import { makeFolder } from '../platform/files.ts'
import { type ListenAddress, listen } from '../platform/listen.ts'
import type { World } from '../platform/world.ts'
import { type Agent, limitsFrom } from './agent.ts'
import { startEventPusher } from './callbacks/events.ts'
import { openContact } from './callbacks/idle.ts'
import { openMachineLoad, startNodePusher } from './callbacks/node.ts'
import { type Log, StateInUse } from './errors.ts'
import { makeApp } from './http/app.ts'
import { createRelay } from './http/relay.ts'
import { asRefusal, errorResponse } from './http/request.ts'
import { readSlots } from './isolation/slot.ts'
import { clearFreeSlots } from './isolation/slots.ts'
import { isRunning, listSessions } from './sessions/folder.ts'
import { writeJson } from './state/durable.ts'
import { openIdentity, openRegistration, openTombstones } from './state/identity.ts'
import { takeLock } from './state/lock.ts'
import { openOutbox } from './state/outbox.ts'
import { loadWorkspaces, takeUp } from './workspaces/load.ts'

export interface StartOptions {
  listen: ListenAddress
  state: string
  token: string
  name: string | null
  /** Names of users; see slots/slot.ts. */
  slotUsers: readonly string[]
  program: readonly [string, ...string[]]
  env: NodeJS.ProcessEnv
  /** Called when nothing has needed the agent for as long as its environment says. */
  onIdle?: () => void
}

/** No limit for a whole request: a bundle may take long. Bodies have limits of their own; no poll is as long as the silence. */
const LISTEN_LIMITS = { requestTimeoutMs: 0, connectionsMax: 256, silenceMs: 120_000 }

export interface RunningAgent {
  address: string
  stop(): Promise<void>
}

export async function startAgent(world: World, log: Log, options: StartOptions): Promise<RunningAgent> {
  const { state } = options
  makeFolder(state)
  const lock = await takeLock(world, state)
  if (lock.kind === 'taken') throw new StateInUse(`process ${lock.pid} is using ${state}`)
  try {
    const agent = openAgent(world, log, options)
    await loadWorkspaces(agent)
    await clearFreeSlots(agent)
    const load = openMachineLoad(world, state)
    const events = startEventPusher(agent)
    const contact = openContact(agent)
    const node = startNodePusher(agent, load, contact)
    takeUp(agent)
    await reopenRelay(agent)
    const app = makeApp({ agent, load, events, node, contact }, options.token)
    const handler = getRequestListener(app.fetch, {
      overrideGlobalObjects: false,
      errorHandler: error => errorResponse(asRefusal(error)),
    })
    const listener = await listen(handler, options.listen, { ...LISTEN_LIMITS, clock: world.clock })
    writeJson(join(state, 'listen.json'), { address: listener.address, pid: process.pid })
    const stayUp = contact.endWhenIdle(agent, () => options.onIdle?.())
    const stop = async () => {
      stayUp()
      agent.ending.abort()
      for (const workspace of agent.workspaces.values()) workspace.leaving.abort()
      events.stop()
      node.stop()
      await agent.relay.stop()
      await listener.stop()
      for (const unwatch of [...agent.watched.values()]) unwatch()
      await Promise.all([...agent.workspaces.values()].map(workspace => workspace.build?.done))
      agent.outbox.close()
      agent.tombstones.close()
      lock.release()
    }
    return { address: listener.address, stop }
  } catch (error) {
    lock.release()
    throw error
  }
}

function openAgent(world: World, log: Log, options: StartOptions): Agent {
  const { state, program, env } = options
  const identity = openIdentity(world, state, options.name)
  const agent: Agent = {
    world,
    log,
    limits: limitsFrom(env),
    state,
    program,
    env,
    slots: readSlots(options.slotUsers),
    slotsInCare: new Set(),
    identity,
    registration: openRegistration(state, identity.nodeName()),
    outbox: openOutbox(world, state),
    relay: createRelay(() => agent, state),
    tombstones: openTombstones(state),
    workspaces: new Map(),
    damaged: new Map(),
    watched: new Map(),
    ending: new AbortController(),
  }
  return agent
}

/** Sessions that outlived the agent go on with the port that they were told. */
async function reopenRelay({ relay, workspaces }: Agent): Promise<void> {
  const sessions = [...workspaces.values()].flatMap(listSessions)
  if (sessions.some(session => session.request.maySpawn && isRunning(session))) await relay.open()
}
