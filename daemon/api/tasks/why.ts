/**
 * Why a task is where it is: what it waits for, since when, until when, what comes next, and what would change it. The
 * facts are gathered here; their wording is `src/text/waiting.ts`.
 */

import { credentialOf } from '../../../src/core/agent.ts'
import { awaitedBy, isQueued } from '../../../src/core/facts.ts'
import { isTerminal, type Task } from '../../../src/core/task.ts'
import type { WhyJson } from '../../../src/protocol/control.ts'
import { readAttempts } from '../../../src/store/tables/attempts.ts'
import { type CleanupItem, cleanupsOf } from '../../../src/store/tables/cleanups.ts'
import { openSignals } from '../../../src/store/tables/inbox.ts'
import { limitOf, limitsAt } from '../../../src/store/tables/meta.ts'
import { readNode, readNodes } from '../../../src/store/tables/nodes.ts'
import { slotHolders } from '../../../src/store/tables/slots.ts'
import { earlierText, handedOverText, passedOverText, stoppedText } from '../../../src/text/attempts.ts'
import { holdersText, stageNow, stageOf } from '../../../src/text/steps.ts'
import {
  estimateText,
  parkedPlaces,
  questionText,
  rejections,
  sentences,
  taskWaits,
  triesText,
} from '../../../src/text/waiting.ts'
import { placementRequest } from '../../engine/attempts.ts'
import { queueMs, usualMs } from '../../placement/forecast.ts'
import { capacitiesOf } from '../../placement/pass.ts'
import { accountsOf, mayGoOn, type NodeCapacity, type PlacementRequest, rejection } from '../../placement/place.ts'
import { whyLanding } from '../../results/landing/standing.ts'
import { whyPush } from '../../results/push/request.ts'
import { whyWatch } from '../../results/push/watch/request.ts'
import type { Engine } from '../../services.ts'
import { whyHeld, whyRace, whyTurn } from './after.ts'
import { whyBudget } from './budget.ts'
import { iso } from './json.ts'
import { scheduledJson } from './origin.ts'

type Explained = Pick<WhyJson, 'sentence' | 'command'>
type Explanation = Explained & Pick<WhyJson, 'nodes' | 'estimate' | 'expectedAt' | 'usualMs'>
type Estimate = Pick<WhyJson, 'estimate' | 'expectedAt' | 'usualMs'>

const UNKNOWN: Estimate = { estimate: null, expectedAt: null, usualMs: null }

/** `progress`: what goes on for it right now, where somebody asked; see `progressOf`. */
export function why(engine: Engine, task: Task, progress: string | null = null): WhyJson {
  return {
    taskId: task.id,
    status: task.status,
    step: task.step,
    since: iso(task.stepEnteredAt),
    until: iso(task.deadlineAt),
    next: iso(task.wakeAt),
    scheduled: scheduledJson(engine.store.sql, task),
    ...(whyNothingStored(engine, task) ?? withHandOver(task, explain(engine, task, progress))),
  }
}

/** Who goes on in whose place comes first while it goes on. */
function withHandOver(task: Task, explained: Explanation): Explanation {
  const handed = isTerminal(task.status) ? null : handedOverText(task.spec, task.facts)
  return handed === null ? explained : { ...explained, sentence: `${handed} ${explained.sentence}` }
}

/** What happens to a task that goes on cannot be stored, whatever else it waits for. */
function whyNothingStored({ store }: Pick<Engine, 'store'>, { step }: Task): Explanation | undefined {
  const outage = store.outage()
  if (step === null || outage === null || outage.until !== null) return undefined
  const { code } = outage.error
  const why = code === 'DISK_FULL' ? 'full' : code === 'STORE_AWAY' ? 'away' : 'refused'
  const sentence = sentences.notStored(stageNow(step), why)
  return { sentence, command: 'tdf doctor', nodes: [], ...UNKNOWN }
}

function explain(engine: Engine, task: Task, progress: string | null): Explanation {
  const { step } = task
  const alone =
    whyLeft(engine, task) ??
    whyLanding(engine.store.sql, task) ??
    whyPush(engine, task) ??
    whyWatch(engine, task) ??
    whyBudget(engine, task) ??
    whyParked(engine, task) ??
    whyLimited(engine, task)
  if (alone) return { ...alone, nodes: [], ...UNKNOWN }
  if (step === null) return { ...whyOver(engine, task), nodes: [], ...UNKNOWN }
  if (awaitedBy(task) === 'predecessors')
    return { ...whyHeld(engine.store.sql, task, engine.world.clock.now()), nodes: [], ...UNKNOWN }
  if (awaitedBy(task) === 'turn') return { ...whyTurn(engine.store.sql, task), nodes: [], ...UNKNOWN }
  if (isQueued(task)) return whyQueued(engine, task)
  if (step === 'awaiting_followup') return { ...whyAwaiting(task), nodes: [], ...UNKNOWN }
  const waiting = `${task.waitingFor ?? taskWaits.nextStep()}${progress === null ? '' : ` (${progress})`}`
  const doing = stageNow(stageOf({ step, waitingFor: waiting, repo: task.spec.repo }) ?? step, task.nodeName)
  const estimate = usual(engine, task)
  if (isTerminal(task.status)) {
    return { sentence: sentences.cleanup(stateOf(task), doing, waiting), command: null, nodes: [], ...estimate }
  }
  const command = step === 'running' ? `tdf logs ${task.id} -f` : `tdf cancel ${task.id}`
  return { sentence: sentences.step(doing, waiting), command, nodes: [], ...estimate }
}

/**
 * What a task that is over has left: work that is not home, a workspace that is not removed. Undefined while its own step
 * sees to that, and when nothing is left.
 */
export function whyLeft(engine: Pick<Engine, 'store' | 'config' | 'world'>, task: Task): Explained | undefined {
  const isWaiting = task.step === 'salvage' && task.facts.held === true && !task.facts.saved
  if (!isWaiting && (!isTerminal(task.status) || task.step !== null)) return undefined
  const { store, config, world } = engine
  const item = cleanupsOf(store.sql, task).find(({ state }) => state === 'pending')
  if (!item) return undefined
  const { nodeName, kind } = item
  const tries = triesText(item.tries, item.dueAt - world.clock.now(), item.error)
  if (kind !== 'salvage') {
    const thing = kind === 'stop_workspace' ? 'stopped' : 'deleted'
    return { sentence: sentences.left(stateOf(task), nodeName, thing, tries), command: `tdf node show ${nodeName}` }
  }
  if (task.facts.kept) {
    const sentence = sentences.kept(stateOf(task), nodeName, config.nodes.heldMax, tries)
    return { sentence, command: `tdf shell ${task.id}` }
  }
  const price = readNode(store.sql, nodeName)?.pricePerHour ?? null
  const cost = price === null ? '' : ` at €${price.toFixed(4)} an hour`
  const sentence = sentences.held(stateOf(task), nodeName, cost, config.nodes.heldMax, tries)
  return { sentence, command: discardCommand(item) }
}

const discardCommand = ({ nodeName }: CleanupItem) => `tdf node rm ${nodeName} --discard-work`

/** A usage limit that the task's own agent has reached. */
function whyParked({ store, world }: Pick<Engine, 'store' | 'world'>, task: Task): Explained | undefined {
  if (task.status !== 'parked') return undefined
  const { nodeName } = task
  if (task.step === 'agent_session' && nodeName !== null && (task.parkedUntil ?? 0) <= world.clock.now()) {
    const holders = slotHolders(store.sql, nodeName).filter(({ taskId }) => taskId !== task.id)
    const sentence = sentences.rested(task.spec.agent.name, nodeName, holdersText(holders))
    return { sentence, command: `tdf cancel ${task.id}` }
  }
  const until = iso(task.parkedUntil) ?? 'its usage limit is lifted'
  const place = parkedPlaces[task.step ?? ''] ?? ''
  const command = `tdf cancel ${task.id}`
  if (task.spec.fallback) {
    const stops = (task.facts.stops ?? []).map(stoppedText).join(', ')
    return { sentence: sentences.parkedAll(until, stops, place, passedOverText(task.spec)), command }
  }
  const goesOn = task.facts.session?.resumeRef ? 'the same conversation goes on' : 'its prompt is given again'
  return { sentence: sentences.parked(task.spec.agent.name, until, `${goesOn}${place}`), command }
}

/** A usage limit that another task has reached with the same credential. */
export function whyLimited({ store, world }: Pick<Engine, 'store' | 'world'>, task: Task): Explained | undefined {
  if (task.step !== 'node_selection' && task.step !== 'agent_session') return undefined
  const now = world.clock.now()
  const until = limitOf(store.sql, credentialOf(task.spec))
  if (until === null || until <= now || mayGoOn(accountsOf(task.spec), limitsAt(store.sql, now), now)) return undefined
  return { sentence: sentences.limited(task.spec.agent.name, iso(until)), command: `tdf cancel ${task.id}` }
}

function whyOver({ store }: Pick<Engine, 'store'>, task: Task): Explained {
  const over = sentences.over(stateOf(task), task.error?.message ?? null)
  const earlier = task.attempt === 1 ? null : earlierText({ ...task, attempts: readAttempts(store.sql, task.id) })
  const standing = whyRace(store.sql, task)
  const sentence = [over, earlier && `But ${earlier}`, standing].filter(Boolean).join(' ')
  const unread = openSignals(store.sql, task).filter(({ kind }) => kind === 'followup').length
  if (unread > 0)
    return { sentence: `${sentence} ${sentences.unread(unread)}`, command: `tdf retry ${task.id} --resume` }
  if (task.status !== 'completed') return { sentence, command: `tdf retry ${task.id}` }
  return { sentence, command: task.result && task.result.ahead > 0 ? `tdf diff ${task.id}` : null }
}

function whyAwaiting({ id, facts: { question } }: Task): Explained {
  if (question) return { sentence: sentences.question(questionText(question)), command: `tdf send ${id} allow` }
  return { sentence: sentences.followup(), command: `tdf send ${id} "what to do next"` }
}

/** Who holds the slots is named where they are what is missing. */
function reasonFor(
  { store, config }: Pick<Engine, 'store' | 'config'>,
  request: PlacementRequest,
  capacity: NodeCapacity,
): string {
  const { name, used, slots } = capacity
  const reason = rejection(request, capacity, config) ?? rejections.none()
  if (!isFullFor({ config }, request, capacity)) return reason
  return rejections.slots(used, slots, holdersText(slotHolders(store.sql, name)))
}

function whyQueued(engine: Engine, task: Task): Explanation {
  const { store, world, config, queue, providers } = engine
  const request = placementRequest(store.sql, task)
  const capacities = capacitiesOf(engine, readNodes(store.sql), world.clock.now())
  const nodes = capacities.map(capacity => ({
    name: capacity.name,
    reason: reasonFor(engine, request, capacity),
  }))
  const waiting = queue.list()
  const position = waiting.findIndex(({ id, attempt }) => id === task.id && attempt === task.attempt) + 1
  const place = position > 0 ? sentences.place(position, waiting.length) : ''
  const obstacle = engine.admission.obstacle()
  if (obstacle !== null) {
    const sentence = sentences.obstacle(obstacle, place)
    return { sentence, nodes, ...UNKNOWN, command: 'tdf daemon status' }
  }
  const slots = capacities.reduce((sum, capacity) => sum + capacity.slots, 0)
  const command = slots === 0 ? 'tdf node ls' : `tdf cancel ${task.id}`
  const [first] = nodes
  if (!first) {
    const canOrder = Object.values(providers).some(provider => provider?.catalogue())
    const none = canOrder ? sentences.maxNodes(config.nodes.maxNodes) : rejections.noNode()
    return { sentence: sentences.noSlot(none, place), nodes, ...UNKNOWN, command }
  }
  const ms = slots === 0 ? null : queueMs(store.sql, task.spec, Math.max(position, 1), slots)
  const estimate = estimateIn(ms, null, world.clock.now())
  const pinned = capacities.find(({ name }) => name === request.node)
  if (pinned) {
    const sentence = sentences.pinned(pinned.name, reasonFor(engine, request, pinned), place)
    const isFull = pinned.used >= pinned.slots
    return { sentence: isFull ? `${sentence} ${sentences.slotsOfNode()}` : sentence, nodes, ...estimate, command }
  }
  const reason = nodes.length === 1 ? `${first.name}: ${first.reason}` : sentences.noNodeTakesIt(nodes.length)
  const sentence = sentences.queued(reason, place)
  if (slots === 0 || !capacities.some(one => isFullFor(engine, request, one)))
    return { sentence, nodes, ...estimate, command }
  return { sentence: `${sentence} ${sentences.sooner()}`, nodes, ...estimate, command: 'tdf node add --help' }
}

/** Whether a slot is all that the node lacks. */
function isFullFor({ config }: Pick<Engine, 'config'>, request: PlacementRequest, capacity: NodeCapacity): boolean {
  const { used, slots } = capacity
  return rejection(request, capacity, config) === rejections.slots(used, slots)
}

function usual({ store, world }: Pick<Engine, 'store' | 'world'>, task: Task): Estimate {
  const ms = task.step === null ? null : usualMs(store.sql, task.step, task.spec)
  const now = world.clock.now()
  return estimateIn(ms === null ? null : task.stepEnteredAt + ms - now, ms, now)
}

/** `ms`: how long it will probably take from now on; below zero when it takes longer than usual. */
function estimateIn(ms: number | null, usualMs: number | null, now: number): Estimate {
  if (ms === null) return UNKNOWN
  const expected = { expectedAt: iso(now + ms), usualMs }
  return { ...expected, estimate: estimateText(expected, now) }
}

const stateOf = ({ status, verdict }: Task) => sentences.state(status, verdict)
