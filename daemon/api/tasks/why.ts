/** Why a task is where it is: what it waits for, since when, until when, what comes next, and what would change it. */
import { formatDuration, formatDurationShort } from '../../../src/core/duration.ts'
import { credentialOf, isTerminal, type Task } from '../../../src/core/task.ts'
import type { WhyJson } from '../../../src/protocol/control.ts'
import { type CleanupItem, cleanupsOf } from '../../../src/store/tables/cleanups.ts'
import { limitOf } from '../../../src/store/tables/meta.ts'
import { readNode, readNodes } from '../../../src/store/tables/nodes.ts'
import { placementRequest } from '../../engine/attempts.ts'
import { queueMs, usualMs } from '../../placement/forecast.ts'
import { roomsOf } from '../../placement/pass.ts'
import { rejection } from '../../placement/place.ts'
import { whyPush } from '../../results/push/request.ts'
import type { Engine } from '../../services.ts'
import { asText } from '../../steps/followup.ts'
import { iso } from './json.ts'

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
  const request = placementRequest(store.sql, task)
  const capacities = roomsOf(engine, readNodes(store.sql), world.clock.now())
  const nodes = capacities.map(capacity => ({
    name: capacity.name,
    reason: rejection(request, capacity, config) ?? 'it has room',
  }))
  const position = queue.list().findIndex(({ id, attempt }) => id === task.id && attempt === task.attempt) + 1
  const place = position > 0 ? `; it is number ${position} of ${queue.list().length} in the queue` : ''
  const stop = engine.admission.obstacle()
  if (stop !== null)
    return { sentence: `It waits: ${stop}${place}.`, nodes, estimate: null, command: 'tdf daemon status' }
  const first = nodes[0]
  const slots = capacities.reduce((sum, capacity) => sum + capacity.slots, 0)
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

/** What a task that is over has left behind: work that is not home, things that are not removed. */

/** Undefined while its own step does it, and when nothing is left. */
export function whyLeft(engine: Engine, task: Task): { sentence: string; command: string } | undefined {
  if (!isTerminal(task.status) || task.step !== null) return undefined
  const item = cleanupsOf(engine.store.sql, task).find(({ state }) => state === 'pending')
  if (!item) return undefined
  const verdict = `It is ${task.status} (${task.verdict})`
  return item.kind === 'salvage'
    ? { sentence: `${verdict}, and its work is not home: ${held(engine, item)}.`, command: discard(item) }
    : { sentence: `${verdict}, and ${what(engine, item)}.`, command: `tdf node show ${item.nodeName}` }
}

function held({ store, config, world }: Engine, item: CleanupItem): string {
  const price = readNode(store.sql, item.nodeName)?.pricePerHour ?? null
  const cost = price === null ? '' : ` at €${price.toFixed(4)} an hour`
  const limit = formatDuration(config.nodes.heldMax)
  return `${item.nodeName} is held for it${cost}, for at most ${limit}; ${tries(item, world.clock.now())}`
}

function what({ world }: Engine, item: CleanupItem): string {
  const thing = item.kind === 'stop_workspace' ? 'stopped' : 'deleted'
  return `its workspace on ${item.nodeName} is not ${thing} yet; ${tries(item, world.clock.now())}`
}

function tries({ tries: count, dueAt, error }: CleanupItem, now: number): string {
  const again = dueAt > now ? `in ${formatDurationShort(dueAt - now)}` : 'now'
  const failed = count === 1 ? '1 try' : `${count} tries`
  return `${failed} failed, the next is ${again}${error ? ` (${error})` : ''}`
}

const discard = ({ nodeName }: CleanupItem) => `tdf node rm ${nodeName} --discard-work`

/** Why a task rests: a usage limit that its own agent met, or one that another task met with the same credential. */

interface Explained {
  sentence: string
  command: string
}

export function whyParked(task: Task): Explained {
  const { agent } = task.spec
  const until = iso(task.parkedUntil) ?? 'its usage limit is lifted'
  const how = PLACES[task.step ?? ''] ?? ''
  const goesOn = task.facts.session?.resumeRef ? 'the same conversation goes on' : 'its prompt is given again'
  const sentence = `It is parked until ${until}: ${agent.name} has reached its usage limit. Then ${goesOn}${how}.`
  return { sentence, command: `tdf cancel ${task.id}` }
}

const PLACES: Record<string, string> = {
  agent_session: ', in the workspace that is kept for it',
  salvage: ', on another machine; this one is released as soon as the work is saved',
  node_selection: ', on another machine; the work is saved and the old one was released',
}

/** Undefined unless the task is about to start its agent and may not. */
export function whyLimited({ store, world }: Engine, task: Task): Explained | undefined {
  if (task.step !== 'node_selection' && task.step !== 'agent_session') return undefined
  const until = limitOf(store.sql, credentialOf(task.spec))
  if (until === null || until <= world.clock.now()) return undefined
  const sentence = `It waits for the usage limit of ${task.spec.agent.name}, which another task has reached, until ${iso(until)}; a task for another agent would not.`
  return { sentence, command: `tdf cancel ${task.id}` }
}
