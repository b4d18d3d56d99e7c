/** Pushes the events of the outbox to the daemon: one delivery queue per workspace, in the order of their numbers. */
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../../platform/files.ts'
import type { Cancel, World } from '../../platform/world.ts'
import type { AgentEvent, Registration } from '../../protocol/agent-api.ts'
import { counter } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import { type Log, messageOf } from '../errors.ts'
import { readJson } from '../state/durable.ts'
import { type Delivery, type DeliveryQueue, openDeliveryQueue } from './queue.ts'

export interface EventPusher {
  /** After a registration: every event that waits is tried at once. */
  afresh(): void
  /** After a workspace was deleted: none of its events is pushed any more. */
  drop(workspaceId: string): void
  stop(): void
}

/** The callback of each event type; a type without one is only pulled. */
const PATHS: Record<string, (event: AgentEvent) => string> = {
  'workspace.ready': event => `/workspaces/${event.workspaceId}/ready`,
  'workspace.provisioning-failed': event => `/workspaces/${event.workspaceId}/provisioning-failed`,
  'session.request': event => `/workspaces/${event.workspaceId}/requests`,
  'session.exited': event => `/tasks/${event.taskId}/status`,
}

export function startEventPusher(agent: Agent): EventPusher {
  const { world, log, outbox, workspaces } = agent
  const delivered = openDelivered(world, log, agent.state)
  const queues = new Map<string, DeliveryQueue>()
  const present = new Set(outbox.after(0, Number.MAX_SAFE_INTEGER).map(event => event.seq))
  delivered.keepOnly(seq => present.has(seq))

  const next = (workspaceId: string): Delivery | null => {
    const registration = agent.registration.current()
    const token = workspaces.get(workspaceId)?.record.request.callback.token
    if (!registration || token === undefined) return null
    for (const event of outbox.of(workspaceId)) {
      const path = PATHS[event.type]
      if (!path || delivered.has(event.seq)) continue
      const push = { url: callbackUrl(registration, path(event)), token, body: event.data }
      return { name: `${event.type} ${event.seq}`, push, settled: () => delivered.add(event.seq) }
    }
    return null
  }
  const wake = (workspaceId: string, afresh: boolean) => {
    const queue = queues.get(workspaceId) ?? openDeliveryQueue(world, log, () => next(workspaceId))
    queues.set(workspaceId, queue)
    queue.wake(afresh)
  }
  outbox.onEvent(event => {
    if (event.workspaceId !== null) wake(event.workspaceId, false)
  })
  const afresh = () => {
    for (const workspaceId of workspaces.keys()) wake(workspaceId, true)
  }
  afresh()
  return {
    afresh,
    drop: workspaceId => {
      queues.get(workspaceId)?.stop()
      queues.delete(workspaceId)
    },
    stop: () => {
      for (const queue of queues.values()) queue.stop()
      delivered.flush()
    },
  }
}

export function callbackUrl(registration: Registration, path: string): string {
  return `${registration.callback.url.replace(/\/+$/, '')}${path}`
}

/** Events that need no push any more. Written lazily: pushing an event again after a crash changes nothing. */
interface Delivered {
  has(seq: number): boolean
  add(seq: number): void
  /** Drops the numbers that are not in use. */
  keepOnly(inUse: (seq: number) => boolean): void
  flush(): void
}

const LAZY_MS = 1_000

function openDelivered(world: World, log: Log, state: string): Delivered {
  const path = join(state, 'pushed.json')
  const done = new Set(readJson(path, z.array(counter)) ?? [])
  let cancel: Cancel | null = null
  const flush = () => {
    cancel?.()
    cancel = null
    try {
      replaceFile(path, JSON.stringify([...done]))
    } catch (error) {
      log('warn', 'pushed.json could not be written', { reason: messageOf(error) })
    }
  }
  const changed = () => {
    cancel ??= world.clock.timer(LAZY_MS, flush)
  }
  return {
    has: seq => done.has(seq),
    add: seq => {
      done.add(seq)
      changed()
    },
    keepOnly: inUse => {
      for (const seq of [...done]) if (!inUse(seq)) done.delete(seq)
      changed()
    },
    flush: () => {
      if (cancel) flush()
    },
  }
}
