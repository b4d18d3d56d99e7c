/**
 * Where a task is, in the words of people. JSON and `--for step=NAME` keep the names of the engine; every screen and every
 * line for a person takes its words from here. Pure.
 */
import type { Step } from '../core/task.ts'
import type { EventJson, TaskJson } from '../protocol/control.ts'
import { oneLine } from './sanitize.ts'
import { taskWaits } from './waiting.ts'

/** A step of the engine, or what the engine does within one and people see apart: the fetch of a url, the check. */
export type Stage = Step | 'fetch' | 'check'

interface Words {
  /** One word or two, for a column. */
  name: string
  /** While it lasts. NODE stands for the name of the node. */
  now: string
  /** Once it is done. */
  done: string
}

const WORDS: Record<Stage, Words> = {
  fetch: { name: 'fetching', now: 'fetching the repository', done: 'repository fetched' },
  node_selection: { name: 'queued', now: 'waiting for a machine', done: 'placed on NODE' },
  node_provisioning: { name: 'machine', now: 'starting NODE', done: 'NODE started' },
  node_agent_ready: { name: 'connecting', now: 'connecting to NODE', done: 'connected to NODE' },
  workspace_creation: { name: 'placing', now: 'making a workspace on NODE', done: 'placed on NODE' },
  workspace_ready: { name: 'copying', now: 'copying the repository', done: 'repository copied' },
  agent_session: { name: 'starting', now: 'starting the agent', done: 'agent started' },
  running: { name: 'running', now: 'running the agent', done: 'agent ended' },
  awaiting_followup: { name: 'needs you', now: 'waiting for you', done: 'answered' },
  salvage: { name: 'saving', now: 'saving the work', done: 'work saved' },
  check: { name: 'check', now: 'running the check', done: 'check' },
  cleanup: { name: 'cleanup', now: 'cleaning up', done: 'cleaned up' },
}

const STAGES: Record<string, Words> = WORDS

/** A word or two for a column. A step that this version does not know keeps its name. */
export const stageName = (stage: string): string => STAGES[stage]?.name ?? oneLine(stage)

/** What is being done: `copying the repository`. */
export const stageNow = (stage: string, node: string | null = null): string => filled(STAGES[stage]?.now ?? stage, node)

/** What was done: `repository copied`. */
export const stageDone = (stage: string, node: string | null = null): string =>
  filled(STAGES[stage]?.done ?? stage, node)

const filled = (words: string, node: string | null) => oneLine(words.replace('NODE', node ?? 'its machine'))

const OF_THE_CHECK = [taskWaits.check(), taskWaits.checkExit()]

/** Where a task is; null once nothing is left to do. */
export function stageOf({ step, waitingFor, repo }: Pick<TaskJson, 'step' | 'waitingFor' | 'repo'>): Stage | null {
  if (step === 'node_selection' && waitingFor?.startsWith(taskWaits.source(repo.url))) return 'fetch'
  return step === 'salvage' && waitingFor !== null && OF_THE_CHECK.includes(waitingFor) ? 'check' : step
}

/**
 * What a task waits for, for a line of its own: `waits for a slot on a node`. Where the engine waits for nothing but the end of the
 * stage, it is the stage: `copying the repository`.
 */
export function waitText(task: Pick<TaskJson, 'step' | 'waitingFor' | 'repo' | 'workspace' | 'node'>): string | null {
  const { waitingFor, repo, workspace, node } = task
  if (waitingFor === null) return null
  const ends = [taskWaits.source(repo.url), taskWaits.workspaceReady(workspace?.id ?? null, node?.name ?? null)]
  const stage = ends.includes(waitingFor) ? stageOf(task) : null
  return stage === null ? `waits for ${oneLine(waitingFor)}` : stageNow(stage, node?.name ?? null)
}

/** A stage that the newest attempt of a task has left. */
export interface StageTime {
  stage: string
  /** When it was left, ISO 8601. */
  at: string
  /** How long it took; null where that is not on record. */
  ms: number | null
}

/** The stages that the newest attempt has left, from the journal: the check apart from the saving before it. */
export function stageTimes(events: readonly EventJson[]): StageTime[] {
  const attempt = Math.max(1, ...events.map(event => event.attempt ?? 1))
  const times: StageTime[] = []
  let savedAt: string | null = null
  for (const event of events) {
    if ((event.attempt ?? 1) !== attempt) continue
    const found = stageLeft(event, savedAt)
    if (event.type === 'task.saved' && event.data.checking === true) savedAt = event.at
    else if (event.type === 'task.step') savedAt = null
    if (found) times.push(found)
  }
  return times
}

/**
 * The stage that an event says is over; null for other events. `savedAt`: when the work was saved, if the check has begun
 * since (ISO 8601).
 */
export function stageLeft({ type, at, data }: EventJson, savedAt: string | null): StageTime | null {
  const ms = typeof data.ms === 'number' ? data.ms : null
  if (type === 'task.saved' && data.checking === true) return { stage: 'salvage', at, ms }
  if (type !== 'task.step' || typeof data.from !== 'string') return null
  if (data.from !== 'salvage' || savedAt === null) return { stage: data.from, at, ms }
  return { stage: 'check', at, ms: Math.max(Date.parse(at) - Date.parse(savedAt), 0) }
}

const HOLDERS_MAX = 5

/** Who holds the slots of a node: `a1b2 (running), c3d4 (waits for you), and 3 more`. */
export function holdersText(holders: readonly { taskId: string; status: string; step: string | null }[]): string {
  const named = holders.slice(0, HOLDERS_MAX).map(({ taskId, status, step }) => {
    const state =
      status === 'parked'
        ? 'parked'
        : step === 'awaiting_followup'
          ? 'waits for you'
          : step === null
            ? status
            : stageName(step)
    return `${taskId} (${state})`
  })
  const more = holders.length - named.length
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
