/**
 * One governor for each credential: when one task meets a usage limit, no other runs into it. A credential is known by
 * the agent's name and the names of its variables, never by a value.
 */
import type { TaskSpec } from '../src/task.ts'

/** What an agent draws on; null for a plain command, which draws on nothing that we know of. */
export function credentialOf({ agent }: Pick<TaskSpec, 'agent'>): string | null {
  if (agent.type === 'command') return null
  return [agent.name, ...[...agent.env].sort()].join(' ')
}
