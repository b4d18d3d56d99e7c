/** Pushes about the node itself: `ready` after each registration and start, then heartbeats with the machine's load. */
import { readFileSync, statfsSync } from 'node:fs'
import { VERSION } from '../../platform/version.ts'
import type { Cancel, World } from '../../platform/world.ts'
import type { NodeHeartbeat, NodeReady } from '../../protocol/callbacks.ts'
import type { Agent } from '../agent.ts'
import { callbackUrl } from './events.ts'
import type { Contact } from './idle.ts'
import { post } from './post.ts'
import { openDeliveryQueue } from './queue.ts'

export interface NodePusher {
  registered(): void
  stop(): void
}

export function startNodePusher(agent: Agent, load: () => MachineLoad, contact: Pick<Contact, 'seen'>): NodePusher {
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

  const queue = openDeliveryQueue(world, log, () => {
    const body: NodeReady = { agentVersion: VERSION, stateId: identity.stateId }
    const push = readyOwed ? pushTo('ready', body) : null
    const owed = agent.registration.current()
    const settled = () => {
      // A registration that arrived meanwhile needs a push of its own.
      if (agent.registration.current() === owed) readyOwed = false
    }
    return push && { name: 'node ready', push, settled }
  })
  /** Not retried: the next heartbeat is newer. */
  const heartbeat = async () => {
    const body: NodeHeartbeat = { stateId: identity.stateId, ...load(), workspaces: agent.workspaces.size }
    const push = pushTo('heartbeat', body)
    const result = push && (await post(world, push, stopped.signal))
    if (result?.kind === 'answered' && result.status < 300) contact.seen()
    if (!stopped.signal.aborted) armHeartbeat()
  }
  const armHeartbeat = () => {
    const everyMs = agent.registration.current()?.heartbeatMs
    cancelHeartbeat()
    if (everyMs !== undefined) cancelHeartbeat = world.clock.timer(everyMs, () => void heartbeat())
  }
  queue.wake()
  armHeartbeat()
  return {
    registered: () => {
      readyOwed = true
      queue.wake(true)
      armHeartbeat()
    },
    stop: () => {
      stopped.abort()
      cancelHeartbeat()
      queue.stop()
    },
  }
}

/** Load of the whole machine, 0 to 100 %: all cores, all memory, and the disk of the state folder. */
export interface MachineLoad {
  cpuPercent: number
  memoryPercent: number
  diskPercent: number
}

interface CpuTimes {
  busy: number
  total: number
}

/** A shorter span says little about a processor: within it the last value holds. */
const SPAN_MS = 500

export function openMachineLoad(world: World, state: string): () => MachineLoad {
  let last = readCpuTimes()
  let lastMs = world.clock.mono()
  let cpuPercent = 0
  return () => {
    const nowMs = world.clock.mono()
    if (nowMs - lastMs >= SPAN_MS) {
      const now = readCpuTimes()
      cpuPercent = percentOf(now.busy - last.busy, now.total - last.total)
      last = now
      lastMs = nowMs
    }
    return { cpuPercent, memoryPercent: memoryPercent(), diskPercent: diskPercent(state) }
  }
}

/** First line of /proc/stat: user nice system idle iowait irq softirq steal; guest times are within user (proc(5)). */
function readCpuTimes(): CpuTimes {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
    const times = line.trim().split(/\s+/).slice(1, 9).map(Number)
    const total = times.reduce((sum, time) => sum + time, 0)
    const idle = (times[3] ?? 0) + (times[4] ?? 0)
    return { busy: total - idle, total }
  } catch {
    return { busy: 0, total: 0 }
  }
}

function memoryPercent(): number {
  try {
    const text = readFileSync('/proc/meminfo', 'utf8')
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
    return percentOf(kib('MemTotal') - kib('MemAvailable'), kib('MemTotal'))
  } catch {
    return 0
  }
}

/** Blocks reserved for root count as used: the agent may not be root. */
function diskPercent(state: string): number {
  try {
    const { blocks, bavail } = statfsSync(state)
    return percentOf(blocks - bavail, blocks)
  } catch {
    return 0
  }
}

function percentOf(part: number, whole: number): number {
  if (whole <= 0) return 0
  return Math.round(Math.min(100, Math.max(0, (100 * part) / whole)) * 10) / 10
}
