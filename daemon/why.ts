/** Why a task is where it is: what it waits for, since when, until when, what comes next, and what would change it. */
import { formatDurationShort } from '../src/duration.ts'
import type { WhyJson } from '../src/protocol/control.ts'
import { readNodes } from '../src/store/nodes.ts'
import { isTerminal, type Task } from '../src/task.ts'
import type { Engine } from './deps.ts'
import { queueMs, usualMs } from './estimate.ts'
import { wishOf } from './open-attempt.ts'
import { obstacle } from './place.ts'
import { roomsOf } from './placement.ts'
import { whyPush } from './push/why-push.ts'
import { asText } from './steps/question.ts'
import { iso } from './view/task-json.ts'
import { whyLeft } from './why-left.ts'
import { whyLimited, whyParked } from './why-parked.ts'

type Said = Pick<WhyJson, 'sentence' | 'nodes' | 'command' | 'estimate'>

export function why(engine: Engine, task: Task): WhyJson {
  const said = sayings(engine, task)
  return {
    taskId: task.id,
    status: task.status,
    step: task.step,
    since: iso(task.stepEnteredAt),
    until: iso(task.deadlineAt),
    next: iso(task.wakeAt),
    ...said,
  }
}

function sayings(engine: Engine, task: Task): Said {
  const left = whyLeft(engine, task) ?? whyPush(engine, task)
  if (left) return { ...left, nodes: [], estimate: null }
  if (task.step === null) return { ...whyOver(task), nodes: [], estimate: null }
  if (task.status === 'parked') return { ...whyParked(task), nodes: [], estimate: null }
  const limited = whyLimited(engine, task)
  if (limited) return { ...limited, nodes: [], estimate: null }
  if (task.step === 'node_selection') return whyQueued(engine, task)
  if (task.step === 'awaiting_followup') {
    const { question } = task.facts
    if (question) {
      const sentence = `Its agent waits for your answer: ${asText(question)}`
      return { sentence, command: `tdf send ${task.id} allow`, nodes: [], estimate: null }
    }
    const sentence = 'Its agent has answered and waits for you.'
    return { sentence, command: `tdf send ${task.id} "what to do next"`, nodes: [], estimate: null }
  }
  const waiting = task.waitingFor ?? 'its next step'
  const sentence = isTerminal(task.status)
    ? `It is ${task.status} (${task.verdict}); ${task.step} waits for ${waiting}.`
    : `It is at ${task.step} and waits for ${waiting}.`
  return {
    sentence,
    command: isTerminal(task.status) ? null : whatNext(task),
    nodes: [],
    estimate: usual(engine, task),
  }
}

function whatNext(task: Task): string {
  return task.step === 'running' ? `tdf logs ${task.id} -f` : `tdf cancel ${task.id}`
}

function whyOver(task: Task): Pick<Said, 'sentence' | 'command'> {
  const end = task.error ? `: ${task.error.message}` : ''
  const isDone = task.status === 'completed'
  const see = task.result && task.result.ahead > 0 ? `tdf diff ${task.id}` : null
  return { sentence: `It is ${task.status} (${task.verdict})${end}.`, command: isDone ? see : `tdf retry ${task.id}` }
}

function whyQueued(engine: Engine, task: Task): Said {
  const { store, world, config, queue } = engine
  const wish = wishOf(store.sql, task)
  const rooms = roomsOf(engine, readNodes(store.sql), world.clock.now())
  const nodes = rooms.map(room => ({ name: room.name, reason: obstacle(wish, room, config) ?? 'it has room' }))
  const position = queue.list().findIndex(({ id, attempt }) => id === task.id && attempt === task.attempt) + 1
  const place = position > 0 ? `; it is number ${position} of ${queue.list().length} in the queue` : ''
  const stop = engine.admission.obstacle()
  if (stop !== null)
    return { sentence: `It waits: ${stop}${place}.`, nodes, estimate: null, command: 'tdf daemon status' }
  const first = nodes[0]
  const slots = rooms.reduce((sum, room) => sum + room.slots, 0)
  const ms = queueMs(store.sql, Math.max(position, 1), slots)
  const command = slots === 0 ? 'tdf node ls' : `tdf cancel ${task.id}`
  const estimate = ms === null || slots === 0 ? null : `about ${formatDurationShort(ms)}, by what runs took before`
  if (!first) {
    const order = Object.values(engine.providers).some(provider => provider?.catalogue())
    const none = order ? `${config.nodes.maxNodes} machines are all that [nodes] max_nodes allows` : 'there is no node'
    return { sentence: `It waits for a slot, and ${none}${place}.`, nodes, estimate: null, command }
  }
  const reason = nodes.length === 1 ? `${first.name}: ${first.reason}` : `none of ${nodes.length} nodes takes it`
  return { sentence: `It waits for a slot: ${reason}${place}.`, nodes, estimate, command }
}

function usual({ store, world }: Engine, task: Task): string | null {
  if (task.step === null) return null
  const ms = usualMs(store.sql, task.step)
  if (ms === null) return null
  const leftMs = task.stepEnteredAt + ms - world.clock.now()
  const left = leftMs > 0 ? `about ${formatDurationShort(leftMs)} more` : 'longer than usual already'
  return `${left}; ${task.step} usually takes ${formatDurationShort(ms)}`
}
