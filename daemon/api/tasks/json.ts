/** A task as scripts see it: every key always there, null when empty. */
import { conversationOn } from '../../../src/core/facts.ts'
import type { Heartbeat } from '../../../src/core/node.ts'
import { savedOf } from '../../../src/core/saved.ts'
import { refOf } from '../../../src/core/source.ts'
import type { Task } from '../../../src/core/task.ts'
import type { AttemptJson, CheckJson } from '../../../src/protocol/attempts.ts'
import type { EventJson, NodeJson, TaskJson } from '../../../src/protocol/control.ts'
import { memberOf } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { readAttempts, usagesUntil } from '../../../src/store/tables/attempts.ts'
import type { JournalEvent } from '../../../src/store/tables/journal.ts'
import { type ReadNode, readHeartbeats, readNode } from '../../../src/store/tables/nodes.ts'
import { readPush, readWatch } from '../../../src/store/tables/pushes.ts'
import { machineCost, readWorkspace, slotsInUse } from '../../../src/store/tables/slots.ts'
import { newestKey } from '../../../src/store/tables/tasks.ts'
import { scoreOf } from '../../engine/rules/race.ts'
import { sum } from '../../engine/rules/usage.ts'
import { landingJson } from '../../results/landing/standing.ts'
import { afterJson } from './after.ts'
import { agentsJson, askedAgent } from './agents.ts'
import { originJson } from './origin.ts'

export function taskJson(sql: Sql, task: Task): TaskJson {
  const { spec } = task
  const work = savedOf(task.facts.salvage)
  return {
    schema: 'tdf.task.v1',
    id: task.id,
    attempt: task.attempt,
    title: spec.title,
    prompt: spec.firstPrompt ?? spec.prompt,
    ...agentsJson(task),
    repo: {
      url: spec.repo.url,
      ref: refOf(spec.repo),
      baseCommit: (task.facts.resume?.isBase ? null : spec.repo.baseCommit) ?? baseOf(task),
    },
    outputBranch: spec.outputBranch,
    labels: spec.labels,
    priority: spec.priority,
    status: task.status,
    step: task.step,
    stepEnteredAt: iso(task.stepEnteredAt),
    stepAttempt: task.stepAttempt,
    wakeAt: iso(task.wakeAt),
    ...afterJson(sql, task),
    group: groupOf(sql, task.id),
    ...pickOf(task),
    parkedUntil: iso(task.parkedUntil),
    node: nodeOf(sql, task),
    workspace: workspaceOf(sql, task),
    session: sessionOf(task),
    verdict: task.verdict,
    result: task.result && { ...task.result, check: checkOf(task) },
    attempts: attemptsOf(sql, task).map(attemptJson),
    continued: continuedOf(task),
    saved: work?.saved.map(one => ({ ...one })) ?? [],
    leftOut: [
      ...notBrought(task),
      ...(work?.leftOut.map(({ path, bytes, reason }) => ({ path, bytes, reason })) ?? []),
    ],
    artifacts: (task.facts.salvage?.files?.list ?? []).map(({ blob: _blob, ...one }) => one),
    usage: task.usage,
    totalUsage: totalUsage(sql, task),
    maxCostUsd: spec.maxCostUsd ?? null,
    maySpawn: spec.maySpawn ?? null,
    parent: spec.parent ?? null,
    machineCost: task.nodeName === null ? null : machineCost(sql, task.id, task.updatedAt),
    error: task.error,
    cleanup: task.cleanup,
    push: pushOf(sql, task),
    fit: task.facts.fit ? { ...task.facts.fit, at: iso(task.facts.fit.at) } : null,
    landing: landingJson(sql, task),
    pr: pullOf(sql, task.id),
    ...originJson(sql, task),
    createdAt: iso(task.createdAt),
    startedAt: iso(task.startedAt),
    completedAt: iso(task.completedAt),
    updatedAt: iso(task.updatedAt),
  }
}

/** What its workspace was made without. */
function notBrought({ facts: { source, warning } }: Task): TaskJson['leftOut'] {
  const reasons = [source?.pointers, warning].flatMap(reason => reason ?? [])
  return reasons.map(reason => ({ path: 'the workspace', bytes: null, reason }))
}

function baseOf({ facts: { source, salvage, resume } }: Task): string | null {
  return source?.commit ?? salvage?.baseCommit ?? resume?.baseCommit ?? null
}

function checkOf({ result, facts, spec }: Task): CheckJson | null {
  const { check } = result ?? {}
  return check ? { ...check, base: facts.salvage?.baseCommit ?? spec.repo.baseCommit ?? null } : null
}

/** Most tasks have one, and that one is at hand; of a task that was just removed, too. */
function attemptsOf(sql: Sql, task: Task): Task[] {
  return (newestKey(sql, task.id)?.attempt ?? 1) === 1 ? [task] : readAttempts(sql, task.id)
}

function attemptJson(task: Task): AttemptJson {
  const { attempt, status, verdict, spec, result, usage } = task
  return {
    attempt,
    status,
    verdict,
    prompt: spec.prompt,
    agent: askedAgent(spec),
    commit: result?.commit ?? null,
    branch: result?.branch ?? null,
    check: checkOf(task),
    usage,
    startedAt: iso(task.startedAt),
    completedAt: iso(task.completedAt),
  }
}

/** The conversation that is given along may be refused by the agent, which then goes on with the files. */
function continuedOf({ continued, facts, nodeName }: Task): TaskJson['continued'] {
  if (continued === null) return null
  const { from } = continued
  // Before it has a node, it may still get the one where the conversation is.
  const conversation = nodeName === null ? from.resumeRef : conversationOn(from, nodeName)
  const hasConversation = conversation !== null && facts.rejected !== true
  return { of: continued.of, resumed: hasConversation ? 'conversation' : 'files' }
}

/** Of a race that is not decided there is no winner, nor of another group. */
function groupOf(sql: Sql, id: string): TaskJson['group'] {
  const member = memberOf(sql, id)
  if (!member) return null
  const { name, kind, key, winner } = member
  return { name, kind, key, winner: winner === null ? null : winner === id }
}

function pickOf({ spec, facts: { pick } }: Task): Pick<TaskJson, 'score' | 'pick'> {
  const command = spec.race?.pick ?? null
  if (command === null || !pick?.ended) return { score: null, pick: null }
  return { score: scoreOf({ facts: { pick } }), pick: { command, exitCode: pick.exitCode } }
}

function nodeOf(sql: Sql, { nodeName }: Task): TaskJson['node'] {
  const node = nodeName === null ? undefined : readNode(sql, nodeName)
  if (!node) return null
  const { name, provider, size, location, autoProvisioned } = node
  return { name, provider, size, location, autoProvisioned }
}

function workspaceOf(sql: Sql, { workspaceId }: Task): TaskJson['workspace'] {
  const workspace = workspaceId === null ? undefined : readWorkspace(sql, workspaceId)
  return workspace ? { id: workspace.id, status: workspace.status } : null
}

function sessionOf({ sessionId, facts, spec }: Task): TaskJson['session'] {
  if (sessionId === null || !facts.session) return null
  const { status, exitCode, signal, resumeRef, agentVersion = null, model = null } = facts.session
  return { id: sessionId, agent: spec.agent.name, status, exitCode, signal, resumeRef, agentVersion, model }
}

export function pushOf(sql: Sql, { id, attempt }: Pick<Task, 'id' | 'attempt'>): TaskJson['push'] {
  const push = readPush(sql, id)
  if (push?.attempt !== attempt) return null
  const { state, remote, branch, commitId, pushedCommit, wantsPr, prUrl, tries, dueAt, error, updatedAt } = push
  return {
    state,
    remote,
    branch,
    commit: commitId,
    pushedCommit,
    wantsPr,
    prUrl,
    tries,
    nextTryAt: state === 'pending' ? iso(dueAt) : null,
    error,
    updatedAt: iso(updatedAt),
  }
}

/** The number is that at the end of its address, where it has one. */
function pullOf(sql: Sql, taskId: string): TaskJson['pr'] {
  const watch = readWatch(sql, taskId)
  if (!watch) return null
  const { url, goal, state, head, checks, round, rounds, waitingFor, given, error, updatedAt } = watch
  const number = Number(/\/(\d+)\/?$/.exec(url)?.[1] ?? Number.NaN)
  return {
    url,
    number: Number.isNaN(number) ? null : number,
    until: goal,
    state,
    head,
    checks,
    round,
    rounds,
    waitingFor,
    fingerprint: given.at(-1) ?? null,
    error,
    updatedAt: iso(updatedAt),
  }
}

function totalUsage(sql: Sql, task: Task): TaskJson['totalUsage'] {
  if (task.attempt === 1) return task.usage
  const all = usagesUntil(sql, task)
  return all.length === 0 ? null : sum(all)
}

export function iso(at: number): string
export function iso(at: number | null): string | null
export function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}

export function eventJson(event: JournalEvent): EventJson {
  const { seq, at, type, taskId, nodeName, step, attempt, data } = event
  return { seq, at: iso(at), type, taskId, nodeName, step, attempt, data }
}

/** What nodes show beside their rows: how many places are taken, and the last heartbeats. */
export interface NodeFigures {
  used: ReadonlyMap<string, number>
  beats: ReadonlyMap<string, Heartbeat>
}

export const figuresOf = (sql: Sql): NodeFigures => ({ used: slotsInUse(sql), beats: readHeartbeats(sql) })

export function nodeJson(node: ReadNode, { used, beats }: NodeFigures): NodeJson {
  const beat = beats.get(node.name)
  return {
    name: node.name,
    provider: node.provider,
    status: node.status,
    size: node.size,
    location: node.location,
    address: node.address,
    workspaces: used.get(node.name) ?? 0,
    maxWorkspaces: node.maxWorkspaces,
    warmUntil: iso(node.warmUntil),
    createdAt: iso(node.createdAt),
    pricePerHour: node.pricePerHour,
    waitingFor: node.waitingFor,
    load: beat ? { ...beat, at: iso(beat.at) } : null,
  }
}
