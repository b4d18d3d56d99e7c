import type { StartSession } from '../../protocol/agent-api.ts'
import type { Adapter } from './adapter.ts'
import { command } from './command.ts'

/** Null: the protocol knows the type, this agent does not yet. */
export const ADAPTERS: Record<StartSession['agent']['type'], Adapter | null> = {
  command,
  claude: null,
  codex: null,
  acp: null,
}
