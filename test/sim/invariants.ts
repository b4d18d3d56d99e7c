/** What must hold after every tick, each as a named function that answers what it found. */
import { journey } from '../../daemon/journey.ts'
import { taskSubject } from '../../daemon/subjects.ts'
import { NODE_EDGES, type NodeStatus } from '../../src/node.ts'
import { type ReadTask, readAttempt, readLive } from '../../src/store/attempts.ts'
import { openSignals, type SignalKind } from '../../src/store/inbox.ts'
import { type JournalEvent, readEvents } from '../../src/store/journal.ts'
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
  // First, since others ask what it has read.
  'the journal is a path of the journeys': sim => {
    const fresh = readEvents(sqlOf(sim), { after: sim.path.seq, limit: 100_000 })
    sim.path.seq = fresh.at(-1)?.seq ?? sim.path.seq
    return fresh.flatMap(event => {
      if (event.type === 'task.work_discarded') sim.path.discarded.add(String(event.data.workspace))
      if (event.type === 'node.status') return brokenNode(event)
      return event.type === 'task.step' || event.type === 'task.status' ? brokenPath(sim.path, event) : []
    })
  },

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
    ...(sim.out.cloud?.lostWork ?? []).filter(id => !sim.wiped.has(id) && !sim.path.discarded.has(id)),
    ...allAgents(sim).flatMap(({ lostWork }) => lostWork.filter(id => !sim.path.discarded.has(id))),
  ],

  'a cancel reaches its task, whatever it does': sim =>
    isBusy(sim)
      ? []
      : [...sim.cancelled]
          .map(key => taskOf(sim, key))
          .filter(task => !isTerminal(task.status))
          .map(describe),

  'a retry opens an attempt': sim =>
    [...sim.retried].filter(key => !readAttempt(sqlOf(sim), keyOf(key))).map(key => `${key} was never opened`),

  'nothing that a task was told is left unread': sim => {
    if (isBusy(sim)) return []
    return readLive(sqlOf(sim)).flatMap(({ id, attempt }) => {
      const task = sim.life.task(id, attempt)
      if (asksAgain(task)) return []
      const reads = READS[task.step ?? 'cleanup'] ?? []
      const unread = openSignals(sqlOf(sim), task).find(
        ({ kind, payload }) =>
          reads.includes(kind) && (kind !== 'session_exited' || payload.sessionId === task.sessionId),
      )
      return unread ? [`${describe(task)} has not read ${unread.kind}`] : []
    })
  },

  'an agent is started once for its prompt and once for each follow-up': sim =>
    attemptsOf(sim).flatMap(task => {
      const started = allAgents(sim).flatMap(({ starts }) =>
        [...starts.keys()].filter(id => id.startsWith(`${task.workspaceId}-s`)),
      )
      const runs = started.filter(id => !id.endsWith('-check')).length
      return runs > (task.facts.followups ?? 0) + 2 ? [`${describe(task)} was started ${runs} times`] : []
    }),

  'completed means that the agent ended well': sim =>
    attemptsOf(sim)
      .filter(({ status, facts }) => status === 'completed' && facts.exit?.exitCode !== 0)
      .map(describe),

  'a parked task knows until when, and nothing of it runs': sim =>
    attemptsOf(sim)
      .filter(task => task.status === 'parked' && task.step !== 'salvage' && !asksAgain(task))
      .filter(task => task.parkedUntil === null || runs(sim, task.id))
      .map(describe),

  'attempts never exceed their limits': sim =>
    attemptsOf(sim)
      .filter(({ stepAttempt }) => stepAttempt > sim.out.config.runner.stepMaxRetries + 1)
      .map(describe),
}

/** What must hold once everything has come to rest. */
export const restInvariants: Record<string, Check> = {
  'every task is over': sim =>
    [...sim.acknowledged].filter(id => !isTerminal(sim.life.task(id).status)).map(id => describe(sim.life.task(id))),

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

/** Whether a session of the task is at work on some node that it has been told the end of. */
function runs(sim: Sim, taskId: string): boolean {
  if (isBusy(sim)) return false
  const workspaces = allAgents(sim).flatMap(agent => [...agent.workspaces.values()])
  const own = workspaces.filter(({ body }) => body.taskId === taskId)
  return own.some(({ sessions }) => [...sessions.values()].some(({ status }) => status === 'running'))
}

/** Its agent did not answer, or its answer was lost: what it was told is read, and what runs is found, by the next try. */
const asksAgain = ({ waitingFor }: ReadTask) => /^(another try|try \d+ of)/.test(waitingFor ?? '')

const isBusy = ({ life }: Sim) => life.engine.loop.busy() > 0

function keyOf(key: string) {
  const [id = '', attempt] = key.split('/')
  return { id, attempt: Number(attempt) }
}

function taskOf(sim: Sim, key: string) {
  const { id, attempt } = keyOf(key)
  return sim.life.task(id, attempt)
}

/** What each step is there to hear. */
const READS: Partial<Record<Step, readonly SignalKind[]>> = {
  workspace_ready: ['workspace_ready', 'provisioning_failed'],
  running: ['session_exited'],
  awaiting_followup: ['followup', 'close'],
}

function attemptsOf(sim: Sim) {
  return [...sim.acknowledged].flatMap(id => {
    const newest = newestKey(sqlOf(sim), id)?.attempt ?? 0
    return Array.from({ length: newest }, (_, index) => sim.life.task(id, index + 1))
  })
}

/** How far the journal was read, and where each attempt stood there. */
export interface Path {
  seq: number
  at: Map<string, { step: Step | null; status: Status | null }>
  discarded: Set<string>
}

export const freshPath = (): Path => ({ seq: 0, at: new Map(), discarded: new Set() })

function brokenNode({ nodeName, data }: JournalEvent): string[] {
  if (data.from === null) return []
  const allowed: readonly string[] = NODE_EDGES[data.from as NodeStatus]
  return allowed.includes(String(data.to)) ? [] : [`${nodeName}: ${data.from} → ${data.to}`]
}

function brokenPath(path: Path, { type, taskId, attempt, data }: JournalEvent): string[] {
  const key = `${taskId}/${attempt}`
  const before = path.at.get(key) ?? { step: null, status: null }
  const kind = type === 'task.step' ? 'step' : 'status'
  const findings = data.from === before[kind] ? [] : [`${key}: ${data.from} → ${data.to} follows ${before[kind]}`]
  path.at.set(key, { ...before, [kind]: data.to })
  const isLegal =
    kind === 'step'
      ? isStep(data.from as Step | null, data.to as Step | null)
      : isStatus(data.from as Status | null, data.to as Status)
  return isLegal ? findings : [...findings, `${key}: ${data.from} → ${data.to}`]
}

/** Any step may end in salvage or cleanup: that is what a failure or a cancel does. */
const isStep = (from: Step | null, to: Step | null) =>
  from === null || to === null || Object.hasOwn(journey[from].next, to) || to === 'salvage' || to === 'cleanup'

function isStatus(from: Status | null, to: Status): boolean {
  const allowed: readonly Status[] = from === null ? ['queued'] : STATUS_EDGES[from]
  return allowed.includes(to)
}
