/** What the invariants look at, gathered once for all of them: the rows of this moment and the models outside; and what there is to tell of it. */

import type { Sql } from '../../src/store/sqlite/sql.ts'
import { type ReadTask, readAttempt, readLive } from '../../src/store/tables/attempts.ts'
import { cleanupsOf } from '../../src/store/tables/cleanups.ts'
import { readEvents } from '../../src/store/tables/journal.ts'
import { type ReadNode, readNodes } from '../../src/store/tables/nodes.ts'
import type { FakeAgent } from '../fakes/agent.ts'
import type { Sim } from './simulation.ts'

export interface Seen {
  sim: Sim
  sql: Sql
  now: number
  /** Every attempt of every task, by id. */
  attempts: ReadTask[]
  /** Of `attempts`, those that still have something to do. */
  live: ReadTask[]
  nodes: ReadNode[]
  agents: FakeAgent[]
  /** Something is under way: what it has read is not settled yet. */
  isBusy: boolean
}

/** An invariant: what it found, each in words. */
export type Check = (seen: Seen) => string[]

/** Attempts as they were read last, by `id/attempt`, with the version that they were read at. */
export type Memory = Map<string, { version: string; task: ReadTask }>

/** Only what changed since the last look is read: most of what there is has ended. */
export function see(sim: Sim, memory: Memory): Seen {
  const { engine, world } = sim.life
  const { sql } = engine.store
  const attempts = readAttempts(sql, memory)
  return {
    ...{ sim, sql, attempts, now: world.clock.now() },
    live: attempts.filter(({ step }) => step !== null),
    nodes: readNodes(sql),
    agents: agentsOf(sim),
    isBusy: engine.loop.busy() > 0,
  }
}

function readAttempts(sql: Sql, memory: Memory): ReadTask[] {
  const versions = sql.all('select task_id, attempt, rev, wakes, wake_at from attempts order by task_id, attempt')
  return versions.flatMap(row => {
    const key = { id: String(row.task_id), attempt: Number(row.attempt) }
    const name = `${key.id}/${key.attempt}`
    const version = `${row.rev} ${row.wakes} ${row.wake_at}`
    const known = memory.get(name)
    if (known?.version === version) return [known.task]
    const task = readAttempt(sql, key)
    if (task) memory.set(name, { version, task })
    return task ? [task] : []
  })
}

/** The agents of all machines that there are, standing and ordered. */
export function agentsOf({ out }: Sim): FakeAgent[] {
  return [...out.agents.values(), ...[...(out.cloud?.machines.values() ?? [])].map(({ agent }) => agent)]
}

export const describe = ({ id, attempt, step, status, waitingFor }: ReadTask) =>
  `${id}/${attempt} ${status} at ${step} (${waitingFor})`

/** What does not come to rest. */
export function unrest({ life }: Sim): string {
  const { sql } = life.engine.store
  const tasks = readLive(sql).map(({ id, attempt }) => describe(life.task(id, attempt)))
  const nodes = readNodes(sql).map(({ name, status, waitingFor }) => `${name} ${status} (${waitingFor})`)
  return [...tasks, ...nodes].join('; ')
}

/** What the daemon wrote about the tasks of the findings, with their nodes, since most faults come from them. */
export function journalOf({ life, out }: Sim, findings: readonly { what: string }[]): string[] {
  const { sql } = life.engine.store
  const text = findings.map(({ what }) => what).join(' ')
  const named = (id: string | null) => id !== null && text.includes(id)
  const events = readEvents(sql, { after: 0, limit: 100_000 })
  const nodes = new Set(events.flatMap(({ taskId, nodeName }) => (named(taskId) && nodeName ? [nodeName] : [])))
  const lines = events
    .filter(({ taskId, nodeName }) => named(taskId) || (taskId === null && nodeName !== null && nodes.has(nodeName)))
    .map(({ at, type, taskId, attempt, nodeName, data }) => {
      return `${new Date(at).toISOString()} ${type} ${taskId ?? ''}/${attempt ?? ''} ${nodeName ?? ''} ${JSON.stringify(data)}`
    })
  const ids = new Set(events.flatMap(({ taskId }) => (taskId && named(taskId) ? [taskId] : [])))
  for (const id of ids) {
    const task = life.task(id)
    lines.push(JSON.stringify({ ...task, spec: task.spec.agent.command }))
    for (let attempt = 1; attempt <= task.attempt; attempt++) {
      lines.push(...cleanupsOf(sql, { id, attempt }).map(item => JSON.stringify(item)))
    }
    const home = [...out.results.refs].filter(([ref]) => ref.includes(id))
    lines.push(`home: ${JSON.stringify(home)}`)
  }
  return lines
}
