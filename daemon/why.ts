/** Why a task is where it is: what it waits for, since when, until when, what comes next, and what would change it. */
import type { WhyJson } from '../src/protocol/control.ts'
import { readNodes } from '../src/store/nodes.ts'
import { isTerminal, type Task } from '../src/task.ts'
import type { Engine } from './deps.ts'
import { wishOf } from './open-attempt.ts'
import { obstacle } from './place.ts'
import { roomsOf } from './placement.ts'
import { iso } from './view/task-json.ts'

export function why(engine: Engine, task: Task): WhyJson {
  const queued = task.step === 'node_selection' ? whyQueued(engine, task) : null
  const sentence = queued?.sentence ?? sentenceFor(task)
  return {
    taskId: task.id,
    status: task.status,
    step: task.step,
    sentence,
    since: iso(task.stepEnteredAt),
    until: iso(task.deadlineAt),
    next: iso(task.wakeAt),
    nodes: queued?.nodes ?? [],
    estimate: null,
    command: commandFor(task),
  }
}

function sentenceFor(task: Task): string {
  if (task.step === null) {
    const end = task.error ? `: ${task.error.message}` : ''
    return `It is ${task.status} with the verdict ${task.verdict}${end}.`
  }
  const waiting = task.waitingFor ?? 'its next step'
  return isTerminal(task.status)
    ? `It is ${task.status} (${task.verdict}); ${task.step} waits for ${waiting}.`
    : `It is at ${task.step} and waits for ${waiting}.`
}

function whyQueued(engine: Engine, task: Task): { sentence: string; nodes: WhyJson['nodes'] } {
  const { store, world, config, queue } = engine
  const wish = wishOf(store.sql, task)
  const rooms = roomsOf(engine, readNodes(store.sql), world.clock.now())
  const nodes = rooms.map(room => ({ name: room.name, reason: obstacle(wish, room, config) ?? 'it has room' }))
  const position = queue.list().findIndex(({ id, attempt }) => id === task.id && attempt === task.attempt) + 1
  const place = position > 0 ? `; it is number ${position} of ${queue.list().length} in the queue` : ''
  const first = nodes[0]
  if (!first) return { sentence: `It waits for a slot, and there is no node${place}.`, nodes }
  const reason = nodes.length === 1 ? `${first.name}: ${first.reason}` : `none of ${nodes.length} nodes takes it`
  return { sentence: `It waits for a slot: ${reason}${place}.`, nodes }
}

function commandFor(task: Task): string | null {
  if (task.status === 'failed' || task.status === 'cancelled') return `tdf retry ${task.id}`
  return isTerminal(task.status) ? null : `tdf cancel ${task.id}`
}
