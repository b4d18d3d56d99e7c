/**
 * What agents say, in one vocabulary. Each reader turns a line of one agent's stream into these; who follows a run
 * (`account.ts`) and who shows it (`render.ts`) know nothing of agents.
 */
import type { AgentSession } from '../protocol/agent-api.ts'

export type Failure = NonNullable<AgentSession['failure']>
export type Outcome = Exclude<NonNullable<AgentSession['outcome']>, 'none'>

export type AgentEvent =
  /** The conversation's name, by which it can be resumed; fields that the line does not have are null. */
  | { kind: 'session'; resumeRef: string | null; version: string | null; model: string | null }
  | { kind: 'message'; from: 'agent' | 'user'; text: string; isPart: boolean }
  | { kind: 'thought'; text: string; isPart: boolean }
  | { kind: 'tool'; id: string; name: string; detail: string; state: 'started' | 'done' | 'failed'; output: string }
  /** A question that waits for an answer; `request` is what the answer has to name. */
  | { kind: 'permission'; request: string; tool: string; detail: string }
  /** Something that the agent wanted and was not allowed. */
  | { kind: 'denied'; tool: string }
  | { kind: 'usage'; inputTokens: number; outputTokens: number; costUsd: number | null; counts: UsageCounts }
  /** Where a usage limit stands, the last statement counts: reached, until then, or open again. */
  | { kind: 'limit'; isReached: boolean; resetAt: string | null }
  /**
   * A failure that was reported and ends nothing: what the agent does after it is its answer, else it is how the run
   * ended.
   */
  | { kind: 'problem'; outcome: Outcome; failure: Failure; text: string }
  /** All of the work that goes on beside the turns, by what it is called; each statement replaces the one before. */
  | { kind: 'background'; open: string[] }
  /** What a subagent said or did: work, but no part of the conversation. */
  | { kind: 'nested'; event: AgentEvent }
  | { kind: 'retrying'; attempt: number; reason: string }
  /** A prompt, by the id that it was sent with, has reached the agent. */
  | { kind: 'accepted'; prompt: string }
  /** A prompt that the agent would not take now; it may be offered again. */
  | { kind: 'rejected'; prompt: string }
  | { kind: 'turn' }
  | { kind: 'terminal'; outcome: Outcome; failure: Failure | null; summary: string }
  | { kind: 'raw'; text: string }

/**
 * What the numbers of a usage event cover: this step alone, all of this process, or all of the conversation, which may
 * be older than this process. `cost`: only a cost, of all of the conversation.
 */
export type UsageCounts = 'step' | 'process' | 'conversation' | 'cost'

/** One line of an agent's stream as JSON; null when it is none of this reader's. */
export type Reader = (line: Json) => AgentEvent[] | null

export interface Json {
  [name: string]: unknown
}
