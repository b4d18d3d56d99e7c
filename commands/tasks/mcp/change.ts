/** The tools that change a task that is there: `continue_task`, `send`, `answer`, `cancel_task`. */
import { z } from 'zod'
import { TdfError } from '../../../src/core/errors.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { text } from '../../../src/protocol/shapes.ts'
import { needsInput } from '../../../src/text/tasks.ts'
import { asksPermission } from '../../../src/text/waiting.ts'
import { durationOf } from '../../cli/cli.ts'
import { type Answer, json } from './answers.ts'
import { ask, type Call, type Door, taskPath } from './door.ts'
import { rowOf, taskOf } from './look.ts'
import { refuseAnswer, refuseForeign, refuseMore } from './scope.ts'
import { idempotencyKey, reference, type Tool, tool } from './tool.ts'

const TEXT_CHARS_MAX = 384 * 1024
const name = text(128).min(1)

export const continueTask: Tool = tool({
  name: 'continue_task',
  kind: 'changes',
  description:
    'More to do on a task that is over: a new attempt, which goes on from the files and the conversation of the last one. Then call wait_tasks again.',
  input: z.strictObject({
    task: reference,
    text: text(TEXT_CHARS_MAX).min(1).optional().describe('what to do next; without it, to go on until it is done'),
    agent: name.optional(),
    check: text(64 * 1024)
      .min(1)
      .optional(),
    timeout: text(20).min(1).optional().describe('such as 45m'),
    max_cost: z.number().positive().max(1_000_000).optional().describe('USD, for all its attempts together'),
    push: z.enum(['never', 'branch', 'pr']).optional(),
    idempotency_key: idempotencyKey,
  }),
  async run(door, asked, call) {
    const task = await ownTask(door, call, asked.task)
    if (needsInput(task)) refuseAnswer(door, task, asked.text ?? '')
    await refuseMore(door, call, task, asked.max_cost)
    const wish = {
      text: asked.text ?? null,
      agent: asked.agent ?? null,
      check: asked.check ?? null,
      timeoutMs: asked.timeout === undefined ? null : durationOf(asked.timeout, 'timeout'),
      maxCostUsd: asked.max_cost ?? null,
      push: asked.push ?? null,
      fallback: null,
    }
    const headers = { 'idempotency-key': asked.idempotency_key ?? call.key }
    const path = taskPath(task.id, '/continue')
    return changed(await ask<TaskJson>(door, call, { method: 'POST', path, json: wish, headers }))
  },
})

export const send: Tool = tool({
  name: 'send',
  kind: 'changes',
  description:
    'A follow-up to the agent of a task that runs or waits for one; or the end of its session. For a task that is over, call continue_task.',
  input: z.strictObject({
    task: reference,
    text: text(TEXT_CHARS_MAX).optional(),
    close: z.boolean().optional().describe('end the session of an interactive task'),
    idempotency_key: idempotencyKey,
  }),
  async run(door, { task: named, text = '', close = false, idempotency_key: key }, call) {
    const task = await ownTask(door, call, named)
    refuseAnswer(door, task, text)
    return changed(await sent(door, call, task, { text, close, deliveryId: key ?? call.key }))
  },
})

export const answer: Tool = tool({
  name: 'answer',
  kind: 'answers',
  description: 'Answers what the agent of a task asks: whether it may use a tool. get_task and why have the question.',
  input: z.strictObject({
    task: reference,
    decision: z.enum(['allow', 'deny']),
    reason: text(2_000).min(1).optional().describe('why not, for the agent to read'),
    idempotency_key: idempotencyKey,
  }),
  async run(door, { task: named, decision, reason, idempotency_key: key }, call) {
    const task = await ownTask(door, call, named)
    if (!asksPermission(task)) {
      throw new TdfError('WRONG_STATE', `the agent of task ${task.id} asks for nothing now`, {
        hint: `tdf why ${task.id}`,
      })
    }
    // Words that are neither of the two are a no with its reason.
    const text = decision === 'deny' && reason !== undefined ? `no: ${reason}` : decision
    return changed(await sent(door, call, task, { text, close: false, deliveryId: key ?? call.key }))
  },
})

export const cancelTask: Tool = tool({
  name: 'cancel_task',
  kind: 'changes',
  description: 'Ends a task. What its agent did until then is kept as its result.',
  input: z.strictObject({ task: reference }),
  async run(door, { task: named }, call) {
    const task = await ownTask(door, call, named)
    try {
      return changed(await ask<TaskJson>(door, call, { method: 'POST', path: taskPath(task.id, '/cancel') }))
    } catch (thrown) {
      const now = await taskOf(door, call, task.id)
      // The answer to the first request may have been lost.
      if (now.status === 'cancelled') return changed(now)
      throw thrown
    }
  },
})

/** Throws FORBIDDEN when this server may not change it. */
async function ownTask(door: Door, call: Call, named: string): Promise<TaskJson> {
  const task = await taskOf(door, call, named)
  refuseForeign(door, task)
  return task
}

interface Words {
  text: string
  close: boolean
  deliveryId: string
}

const sent = (door: Door, call: Call, { id }: TaskJson, words: Words) =>
  ask<TaskJson>(door, call, { method: 'POST', path: taskPath(id, '/send'), json: words })

const changed = (task: TaskJson): Answer =>
  json({ ...rowOf(task), attempt: task.attempt, next: `wait_tasks with ["${task.id}"]` })
