/** The tools that look at tasks: `list_tasks`, `get_task`, `why`. */
import { z } from 'zod'
import { STATUSES } from '../../../src/core/task.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import { NEXT_PAGE, type TaskJson, type WhyJson } from '../../../src/protocol/control.ts'
import { text } from '../../../src/protocol/shapes.ts'
import { SERVER_LABEL } from '../../../src/protocol/submit.ts'
import { needsInput, pushText, resultLine } from '../../../src/text/tasks.ts'
import { json } from './answers.ts'
import { ask, askRaw, type Call, type Door, taskPath } from './door.ts'
import { reference, type Tool, tool } from './tool.ts'

/** Rows that fit into one answer. */
const ROWS_MAX = 20
const LISTED_MAX = 10

export const listTasks: Tool = tool({
  name: 'list_tasks',
  kind: 'looks',
  description:
    'Tasks of tdf, the newest first, a page at a time. To wait for tasks, call wait_tasks instead of listing them again.',
  input: z.strictObject({
    status: z.array(z.enum(STATUSES)).max(STATUSES.length).optional(),
    labels: z.record(text(128).min(1), text(512)).optional(),
    mine: z.boolean().optional().describe('only those that this server submitted'),
    limit: z.int().min(1).max(ROWS_MAX).optional(),
    before: text(20).optional().describe('`next` of the answer before, for the next page'),
  }),
  async run(door, { status = [], labels = {}, mine = false, limit = ROWS_MAX, before }, call) {
    const wanted = mine ? { ...labels, [SERVER_LABEL]: door.labels[SERVER_LABEL] } : labels
    const query = new URLSearchParams([
      ['all', 'true'],
      ['limit', String(limit)],
      ...status.map((word): [string, string] => ['status', word]),
      ...Object.entries(wanted).map(([key, value]): [string, string] => ['label', `${key}=${value}`]),
      ...(before === undefined ? [] : [['before', before] as [string, string]]),
    ])
    const { headers, body } = await askRaw(door, call, { path: `/tasks?${query}` })
    // As in `call` of the client: the shapes are those of the daemon of the same version.
    const tasks = JSON.parse(body.toString('utf8')) as TaskJson[]
    return json({ tasks: tasks.map(rowOf), next: headers[NEXT_PAGE] ?? null, command: 'tdf ls --all' })
  },
})

export const getTask: Tool = tool({
  name: 'get_task',
  kind: 'looks',
  description:
    'One task: status, verdict, result, attempts, cost. Do not poll it: wait_tasks waits. read_log and get_diff have what its agent printed and changed.',
  input: z.strictObject({ task: reference }),
  run: async (door, { task }, call) => json(taskFacts(await taskOf(door, call, task))),
})

export const why: Tool = tool({
  name: 'why',
  kind: 'looks',
  description: 'What a task waits for, since when, what happens next, and what would change it.',
  input: z.strictObject({ task: reference }),
  async run(door, { task }, call) {
    const { nodes, ...answer } = await ask<WhyJson>(door, call, { path: taskPath(task, '/why') })
    return json({ ...answer, nodes: nodes.slice(0, LISTED_MAX), nodesLeftOut: Math.max(nodes.length - LISTED_MAX, 0) })
  },
})

const LOOK_MS = 100
const LOOKS_MAX = 20

/** The task; one that has just begun to wait for its user says for what a moment later. */
export async function taskOf(door: Door, call: Call, reference: string): Promise<TaskJson> {
  const { clock } = realWorld()
  for (let looks = 1; ; looks += 1) {
    const task = await ask<TaskJson>(door, call, { path: taskPath(reference) })
    if (!needsInput(task) || task.waitingFor !== null || looks === LOOKS_MAX) return task
    await sleep(clock, LOOK_MS, call.signal)
  }
}

/** A row of a list. */
export function rowOf({ id, title, status, step, waitingFor, verdict, agent, createdAt }: TaskJson) {
  return { id, title, status, step, waitingFor, verdict, agent, createdAt }
}

/** With the names of `tdf show --json`, and lists that are bounded. */
export function taskFacts(task: TaskJson): object {
  const { id, attempt, title, prompt, agent, repo, outputBranch, status, step, waitingFor, parkedUntil, verdict } = task
  const { error, usage, totalUsage, maxCostUsd, pr, landing, createdAt, startedAt, completedAt } = task
  return {
    id,
    attempt,
    title,
    status,
    step,
    waitingFor,
    parkedUntil,
    verdict,
    error,
    result: task.result && { ...task.result, summary: task.result.summary, text: resultLine(task) },
    push: task.push && pushText(task.push),
    agent,
    repo,
    outputBranch,
    labels: Object.entries(task.labels)
      .slice(0, LISTED_MAX)
      .map(pair => pair.join('=')),
    attempts: task.attempts.slice(-LISTED_MAX).map(one => ({
      attempt: one.attempt,
      status: one.status,
      verdict: one.verdict,
      commit: one.commit,
      prompt: one.prompt,
    })),
    artifacts: task.artifacts.slice(0, LISTED_MAX).map(({ path, bytes }) => ({ path, bytes })),
    leftOut: task.leftOut.slice(0, LISTED_MAX).map(({ path, reason }) => `${path}: ${reason}`),
    usage,
    totalUsage,
    maxCostUsd,
    pr: pr && { url: pr.url, state: pr.state, waitingFor: pr.waitingFor },
    landing: landing && { state: landing.state, onto: landing.onto, place: landing.place },
    prompt,
    createdAt,
    startedAt,
    completedAt,
    command: `tdf show ${id} --json`,
  }
}
