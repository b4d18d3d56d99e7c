/** The adapters by agent type. The one of a command is here: a program that gets the prompt on stdin, and whose exit code is all that it reports. */
import type { StartSession } from '../../../protocol/agent-api.ts'
import { acp } from './acp.ts'
import type { Adapter } from './adapter.ts'
import { claude } from './claude.ts'
import { codex } from './codex.ts'

export const command: Adapter = {
  reader: null,
  confirmsPrompts: false,
  openProtocol: null,
  prepare: ({ agent, prompt }) => ({
    command: [...agent.command, ...(agent.args ?? [])],
    stdin: prompt === '' ? 'nothing' : 'prompt',
    env: agent.env,
  }),
}

type AgentType = StartSession['agent']['type']

export const ADAPTERS: Record<AgentType, Adapter> = { command, claude, codex, acp }

/** By the type as a session's request on the disk has it; undefined for one that this agent does not know. */
export function adapterOf(type: string): Adapter | undefined {
  return Object.entries(ADAPTERS).find(([name]) => name === type)?.[1]
}
