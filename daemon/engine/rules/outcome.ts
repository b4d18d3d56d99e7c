/** What a step answers. It says what happened; what follows from it is decided elsewhere. */

import type { TdfError } from '../../../src/core/errors.ts'
import type { AgentStop } from '../../../src/core/facts.ts'
import type { Blocked } from '../../../src/core/source.ts'
import type { Facts, ResumeFacts, Step, TaskResult, Usage, Verdict } from '../../../src/core/task.ts'

/** What a step reports about the task: merged into the task in the transaction of its outcome. */
export interface StepPatch {
  facts?: Partial<Facts>
  sessionId?: string
  result?: TaskResult
  usage?: Usage
  verdict?: Verdict
  /** The signals that led to this outcome, by id; the others stay for a later step. */
  uses?: readonly number[]
  /** A parked task rests until then. */
  parkedUntil?: number
  /** The status of the workspace as its agent reports it. */
  workspaceStatus?: string
}

/** Until when a task rests that another agent may take up, Unix ms, and which stop led to it. */
export interface Rest {
  until: number
  stop: AgentStop
}

export type Outcome<Next extends Step = Step> =
  /** The step is done. */
  | ({ kind: 'advance'; to: Next } & StepPatch)
  /**
   * Nothing is wrong: look again after `ms`, or when called. `looked` is false while the outside did not answer;
   * `deadlineMs` gives the step that much time from now, within the limit that nothing extends.
   */
  | ({ kind: 'wait'; ms: number; why: string; looked: boolean; deadlineMs?: number } & StepPatch)
  /**
   * A usage limit is in the way until then: the task rests, and its machine is released when waiting costs more. `isKnown`: it is on
   * record already, by the task that met it.
   */
  | ({ kind: 'park'; resetAt: number; release: boolean; error: TdfError; rest?: Rest; isKnown?: true } & StepPatch)
  /** Another agent goes on. `stop`: why the one before does not, where it had been at work; `error` says it in words. */
  | ({ kind: 'hand_over'; to: string; stop: AgentStop; error: TdfError } & StepPatch)
  /** It has rested long enough: back to the queue. `grants`: what holds it is raised first. */
  | ({ kind: 'queue'; grants?: boolean } & StepPatch)
  /** The commit that it begins from is made: it asks for a slot. */
  | { kind: 'release'; base: ResumeFacts }
  /** That commit cannot be made of the work of its predecessors, which is for a person to mend. */
  | { kind: 'block'; blocked: Blocked }
  /** The reserved slot is to become a workspace; the same step goes on from there. */
  | { kind: 'place'; nodeName: string }
  /** This try failed; another may not. Of class *wait* it costs no attempt. `looked`: the outside was there all the same. */
  | { kind: 'retry'; error: TdfError; looked?: boolean }
  /** The task was cancelled; made before the step is run. */
  | { kind: 'cancel'; uses: readonly number[] }
  /** No try will help: the attempt ends with this verdict. */
  | ({ kind: 'fail'; error: TdfError; verdict: Verdict } & StepPatch)
  /** The journey is over: nothing is left to do, or what is left is the sweep's. */
  | { kind: 'finish'; cleanup: 'done' | 'failed' }

/** The signals that led to it, by id. */
export const usesOf = (outcome: Outcome): readonly number[] => ('uses' in outcome && outcome.uses) || []

export function advance<Next extends Step>(to: Next, patch: StepPatch = {}): Outcome<Next> {
  return { kind: 'advance', to, ...patch }
}

export function wait(ms: number, why: string, patch: StepPatch & { looked?: boolean; deadlineMs?: number } = {}) {
  return { kind: 'wait' as const, ms, why, looked: true, ...patch }
}

export function fail(error: TdfError, verdict: Verdict, patch: StepPatch = {}): Outcome<never> {
  return { kind: 'fail', error, verdict, ...patch }
}

export function retry(error: TdfError): Outcome<never> {
  return { kind: 'retry', error }
}
