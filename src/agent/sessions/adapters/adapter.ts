/**
 * How one type of agent is driven. A new type is a new adapter, a reader in src/transcript, and a row in `index.ts`.
 * An adapter says how its program is started (`prepare`), which reader understands it (`reader`), and, when it can be
 * talked to, what is said (`openProtocol`). What a run was worth is the same for all (`verdictOf` in src/transcript/account.ts).
 */
import type { StartSession } from '../../../protocol/agent-api.ts'
import type { Json, Reader } from '../../../transcript/event.ts'

export interface Launch {
  command: readonly string[]
  /** What the program reads from its stdin: the prompt and then the end, nothing, or what its dialogue says. */
  stdin: 'prompt' | 'nothing' | 'dialogue'
  env: Record<string, string>
}

export interface Adapter {
  /** Throws `cannot_start` for what this agent is not able to do. `conversation`: a fresh UUID for this session. */
  prepare(request: StartSession, conversation: string): Launch
  /** Null: its exit code is all that it reports, and its output is taken as it comes. */
  reader: Reader | null
  /** Whether each prompt is confirmed by an `accepted` event; else it counts as delivered when it is written. */
  confirmsPrompts: boolean
  /** Null: it takes nothing once it runs. */
  openProtocol: ((opening: Opening) => Protocol) | null
}

export interface Opening {
  workTree: string
  /** The first prompt's id and text. */
  prompt: Prompt
  resumeRef: string | null
  model: string | null
  permissions: 'allow' | 'deny' | 'ask'
}

export interface Prompt {
  /** A UUID, which comes back in an `accepted` event when the prompt has reached the agent. */
  id: string
  text: string
}

/** One conversation in one process. Each function gives the messages to write, in order; each becomes a line. */
export interface Protocol {
  begin(): Json[]
  /**
   * What to answer to a message of the agent's, beside the answers to its questions for permission. It is called before
   * the events of the message are acted on.
   */
  receive(message: Json): Json[]
  /** Whether the agent says by a message that it goes on with no conversation of before. */
  cannotGoOn?(message: Json): boolean
  /** Whether a message repeats what was said before this session: it is no part of the run. */
  isHistory?(message: Json): boolean
  /** Null while it cannot take one; it is offered again. `isIdle`: no turn is under way. */
  prompt(prompt: Prompt, isIdle: boolean): Json[] | null
  /** `request` as the permission event named it. */
  answer(request: string, decision: 'allow' | 'deny', message: string): Answer
  /** Asks for an end of the turn; a signal follows. */
  interrupt(): Json[]
}

export interface Answer {
  messages: Json[]
  /** False also when the question had no way to be allowed. */
  isAllowed: boolean
}
