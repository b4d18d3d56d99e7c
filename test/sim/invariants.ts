/** What must hold after every tick, each as a named function that answers what it found. */
import { journey } from '../../daemon/journey.ts'
import { taskSubject } from '../../daemon/subjects.ts'
import { NODE_EDGES, type NodeStatus } from '../../src/node.ts'
import { readAttempt, readLive } from '../../src/store/attempts.ts'
import { readEvents } from '../../src/store/journal.ts'
import { readNodes } from '../../src/store/nodes.ts'
import { liveWorkspaces, reservedOn, slotsInUse } from '../../src/store/slots.ts'
import { newestKey } from '../../src/store/tasks.ts'
import { isTerminal, resultRefOf, STATUS_EDGES, type Status, type Step } from '../../src/task.ts'
import { describe, type Sim } from './simulation.ts'

export interface Finding {
  name: string
  what: string
  tick: number
}

type Check = (sim: Sim) => string[]

const sqlOf = ({ life }: Sim) => life.engine.store.sql
const allAgents = ({ out }: Sim) => [
  ...out.agents.values(),
  ...[...(out.cloud?.machines.values() ?? [])].map(({ agent }) => agent),
]

export const INVARIANTS: Record<string, Check> = {
  'an acknowledged task is there': sim =>
    [...sim.acknowledged].filter(id => !newestKey(sqlOf(sim), id)).map(id => `${id} is gone`),

  'every live task has a wake that the loop knows': sim =>
    readLive(sqlOf(sim))
      .filter(key => !sim.life.engine.loop.knows(taskSubject(key)))
      .map(({ id, attempt }) => `${describe(sim.life.task(id, attempt))} sleeps for ever`),

  'terminal is final': sim =>
    attemptsOf(sim).flatMap(task => {
      const key = `${task.id}/${task.attempt}`
      const now = `${task.status} ${task.verdict}`
      const before = sim.ended.get(key)
      if (isTerminal(task.status) && before === undefined) sim.ended.set(key, now)
      return before !== undefined && before !== now ? [`${key} was ${before} and is ${now}`] : []
    }),

  'one live workspace for each task, attempt and placement': sim => {
    const seen = new Set<string>()
    return liveWorkspaces(sqlOf(sim)).flatMap(({ id, taskId, attempt, placement }) => {
      const key = `${taskId}/${attempt}/${placement}`
      const isDouble = seen.has(key)
      seen.add(key)
      return isDouble ? [`${id} is a second workspace of ${key}`] : []
    })
  },

  'slots are never over capacity': sim => {
    const used = slotsInUse(sqlOf(sim))
    return readNodes(sqlOf(sim)).flatMap(({ name, maxWorkspaces }) =>
      (used.get(name) ?? 0) > maxWorkspaces ? [`${name} has ${used.get(name)} of ${maxWorkspaces} slots in use`] : [],
    )
  },

  'reservations belong to live tasks that wait for them': sim =>
    readNodes(sqlOf(sim)).flatMap(({ name }) =>
      reservedOn(sqlOf(sim), name).flatMap(key => {
        const task = readAttempt(sqlOf(sim), key)
        return !task || isTerminal(task.status) || task.workspaceId !== null
          ? [`${key.id} holds a slot on ${name}`]
          : []
      }),
    ),

  'a session is started once': sim =>
    allAgents(sim).flatMap(({ starts }) =>
      [...starts].flatMap(([id, count]) => (count > 1 ? [`${id} was started ${count} times`] : [])),
    ),

  'a workspace is built once': sim =>
    allAgents(sim).flatMap(({ builds }) =>
      [...builds].flatMap(([id, count]) => (count > 1 ? [`${id} was built ${count} times`] : [])),
    ),

  'a machine is made once for each name': sim =>
    [...(sim.out.cloud?.made ?? [])].flatMap(([name, count]) => (count > 1 ? [`${name} was made ${count} times`] : [])),

  'every machine has an owner': sim => {
    const owners = new Set(
      readNodes(sqlOf(sim), true).flatMap(({ name, status }) => (status === 'destroyed' ? [] : [name])),
    )
    return [...(sim.out.cloud?.machines.keys() ?? [])]
      .filter(name => !owners.has(name))
      .map(name => `${name} has no owner`)
  },

  'no more machines than allowed': sim => {
    const count = sim.out.cloud?.machines.size ?? 0
    return count > sim.out.config.nodes.maxNodes ? [`${count} machines, ${sim.out.config.nodes.maxNodes} allowed`] : []
  },

  'nothing is destroyed before it is saved': sim => [
    ...(sim.out.cloud?.lostWork ?? []).filter(id => !sim.wiped.has(id) && !wasDiscarded(sim, id)),
    ...allAgents(sim).flatMap(({ lostWork }) => lostWork.filter(id => !wasDiscarded(sim, id))),
  ],

  'the journal is a path of the journey': sim => [...sim.acknowledged].flatMap(id => brokenPath(sim, id)),

  'nodes keep to their journey': sim =>
    readEvents(sqlOf(sim), { after: 0, limit: 100_000 }).flatMap(({ type, nodeName, data }) => {
      if (type !== 'node.status' || data.from === null) return []
      const allowed: readonly string[] = NODE_EDGES[data.from as NodeStatus]
      return allowed.includes(String(data.to)) ? [] : [`${nodeName}: ${data.from} → ${data.to}`]
    }),

  'attempts never exceed their limits': sim =>
    attemptsOf(sim)
      .filter(({ stepAttempt }) => stepAttempt > sim.out.config.runner.stepMaxRetries + 1)
      .map(describe),
}

/** What must hold once everything has come to rest. */
export const restInvariants: Record<string, Check> = {
  'every task is over': sim =>
    [...sim.acknowledged].filter(id => !isTerminal(sim.life.task(id).status)).map(id => describe(sim.life.task(id))),

  'a cancelled task is cancelled, or was over before': sim =>
    [...sim.cancelled].flatMap(key => {
      const [id = '', attempt] = key.split('/')
      const task = sim.life.task(id, Number(attempt))
      return isTerminal(task.status) ? [] : [describe(task)]
    }),

  'no workspace is left behind': sim =>
    allAgents(sim).flatMap(({ name, workspaces }) => [...workspaces.keys()].map(id => `${id} still stands on ${name}`)),

  'no slot is left in use': sim =>
    [...slotsInUse(sqlOf(sim))].map(([name, used]) => `${used} slots of ${name} are in use`),

  'no machine is left': sim => [...(sim.out.cloud?.machines.keys() ?? [])].map(name => `${name} is still there`),

  'completed work is at home': sim =>
    attemptsOf(sim)
      .filter(
        ({ status, id, attempt }) => status === 'completed' && !sim.out.results.refs.has(resultRefOf(id, attempt)),
      )
      .map(describe),

  'a finished cleanup is done': sim =>
    attemptsOf(sim)
      .filter(({ cleanup }) => cleanup !== 'done')
      .map(task => `${describe(task)} cleanup ${task.cleanup}`),
}

function attemptsOf(sim: Sim) {
  return [...sim.acknowledged].flatMap(id => {
    const newest = newestKey(sqlOf(sim), id)?.attempt ?? 0
    return Array.from({ length: newest }, (_, index) => sim.life.task(id, index + 1))
  })
}

function wasDiscarded(sim: Sim, workspaceId: string): boolean {
  return readEvents(sqlOf(sim), { after: 0, limit: 100_000 }).some(
    ({ type, data }) => type === 'task.work_discarded' && data.workspace === workspaceId,
  )
}

function brokenPath(sim: Sim, id: string): string[] {
  const findings: string[] = []
  const at = new Map<number, { step: Step | null; status: Status | null }>()
  for (const { type, attempt, data } of readEvents(sqlOf(sim), { after: 0, limit: 100_000, taskId: id })) {
    const before = at.get(attempt ?? 0) ?? { step: null, status: null }
    if (type === 'task.step') {
      const [from, to] = [data.from as Step | null, data.to as Step | null]
      if (from !== before.step) findings.push(`${id}/${attempt}: ${from} → ${to} follows ${before.step}`)
      if (from !== null && to !== null && !isEdge(from, to)) findings.push(`${id}/${attempt}: ${from} → ${to}`)
      at.set(attempt ?? 0, { ...before, step: to })
    }
    if (type === 'task.status') {
      const [from, to] = [data.from as Status | null, data.to as Status]
      if (from !== before.status) findings.push(`${id}/${attempt}: ${from} → ${to} follows ${before.status}`)
      const allowed: readonly Status[] = from === null ? ['queued'] : STATUS_EDGES[from]
      if (!allowed.includes(to)) findings.push(`${id}/${attempt}: ${from} → ${to}`)
      at.set(attempt ?? 0, { ...(at.get(attempt ?? 0) ?? before), status: to })
    }
  }
  return findings
}

/** Any step may end in salvage or cleanup: that is what a failure or a cancel does. */
function isEdge(from: Step, to: Step): boolean {
  return Object.hasOwn(journey[from].next, to) || to === 'salvage' || to === 'cleanup'
}
