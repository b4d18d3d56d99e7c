/** `wait_tasks`: until something has ended, for less time than clients have patience. */
import { z } from 'zod'
import { isAway } from '../../../src/clients/control.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { isSettled } from '../../../src/core/task.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { text } from '../../../src/protocol/shapes.ts'
import { needsInput, resultLine } from '../../../src/text/tasks.ts'
import { awaitTasks } from '../wait-run.ts'
import { type Answer, json } from './answers.ts'
import { type Call, type Door, patiently } from './door.ts'
import { taskOf } from './look.ts'
import { reference, type Tool, tool } from './tool.ts'

const TASKS_MAX = 20
const WAIT_S_MAX = 40

export const waitTasks: Tool = tool({
  name: 'wait_tasks',
  kind: 'looks',
  description:
    'Waits until one of the tasks has ended or needs you, at most 40 seconds, and says what each of the others waits for. While `waiting` is not empty, call it again with the same tasks and the `cursor` of the answer; do not poll get_task.',
  input: z.strictObject({
    tasks: z.array(reference).min(1).max(TASKS_MAX),
    cursor: text(2_000).optional().describe('of the answer before: what it told is not told again'),
    timeout_seconds: z.int().min(0).max(WAIT_S_MAX).optional(),
  }),
  async run(door, { tasks, cursor = '', timeout_seconds = WAIT_S_MAX }, call) {
    const { clock } = realWorld()
    const told = cursor.split(',').filter(Boolean)
    const until = Math.min(call.until, clock.mono() + timeout_seconds * 1_000)
    const first = await Promise.all(tasks.map(task => taskOf(door, call, task)))
    const seen = new Map(first.map(task => [task.id, task]))
    const isNew = (task: TaskJson) => isTold(task) && !told.includes(markOf(task))
    const isOpen = first.some(task => !isSettled(task))
    const isAway = isOpen && !first.some(isNew) && (await waited(door, { ...call, until }, seen, isNew))
    const known = [...seen.values()].map(task => (needsInput(task) && !isAway ? taskOf(door, call, task.id) : task))
    return answered(await Promise.all(known), told, isAway)
  },
})

const isTold = (task: TaskJson) => isSettled(task) || needsInput(task)

/** Different when the task has gone on since, and has come to an end or a question again. */
const markOf = ({ id, attempt, status, stepEnteredAt }: TaskJson) =>
  `${id}@${attempt}${status === 'in_progress' || status === 'parked' ? `.${Date.parse(stepEnteredAt ?? '')}` : ''}`

/** Until one of `seen`, which is kept up to date, is new. Whether the daemon went away and did not come back in time. */
async function waited(
  door: Door,
  call: Call,
  seen: Map<string, TaskJson>,
  isNew: (task: TaskJson) => boolean,
): Promise<boolean> {
  const { clock } = realWorld()
  const look = () =>
    awaitTasks(door.cli, {
      ids: [...seen.keys()],
      isThere: isNew,
      isAny: true,
      keepsOn: true,
      timeoutMs: Math.max(call.until - clock.mono(), 1),
      signal: call.signal,
      onTask: task => seen.set(task.id, task),
    })
  try {
    await patiently(door, call, look)
    return false
  } catch (thrown) {
    if (thrown instanceof TdfError && thrown.code === 'WAIT_TIMEOUT') return false
    if (!isAway(thrown)) throw thrown
    return true
  }
}

function answered(tasks: readonly TaskJson[], told: readonly string[], isAway: boolean): Answer {
  const fresh = tasks.filter(task => isTold(task) && !told.includes(markOf(task)))
  const waiting = tasks.filter(task => !isSettled(task))
  return json({
    ended: fresh.filter(isSettled).map(endOf),
    needsYou: fresh.filter(needsInput).map(({ id, title, waitingFor }) => ({ id, title, waitingFor })),
    waiting: waiting.map(({ id, status, step, waitingFor }) => ({ id, status, step, waitingFor })),
    toldBefore: tasks.filter(task => told.includes(markOf(task))).map(({ id }) => id),
    allEnded: waiting.length === 0,
    cursor: tasks.filter(isTold).map(markOf).join(),
    ...(isAway ? { note: 'the daemon does not answer; this is what was known last' } : {}),
    next: waiting.length === 0 ? 'get_diff and read_log have more' : 'call wait_tasks again with this cursor',
  })
}

function endOf(task: TaskJson) {
  const { id, attempt, title, status, verdict, error } = task
  return {
    id,
    attempt,
    title,
    status,
    verdict,
    result: resultLine(task),
    error: error && { code: error.code, message: error.message },
  }
}
