/** How one type of agent is driven. A new type is a new adapter and a row in `index.ts`. */
import type { StartSession } from '../../protocol/agent-api.ts'

export interface Launch {
  command: readonly string[]
  /** What the program reads from its stdin: the prompt and then the end, or nothing. */
  stdin: 'prompt' | 'nothing'
  env: Record<string, string>
}

export interface Adapter {
  /** Whether a running session takes further prompts. */
  steerable: boolean
  prepare(request: StartSession): Launch
}
