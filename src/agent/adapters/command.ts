/** Any program: it gets the prompt on stdin, and its exit code is all that it reports. */
import type { Adapter } from './adapter.ts'

export const command: Adapter = {
  reader: null,
  confirmsPrompts: false,
  talk: null,
  prepare: ({ agent, prompt }) => ({
    command: [...agent.command, ...(agent.args ?? [])],
    stdin: prompt === '' ? 'nothing' : 'prompt',
    env: agent.env,
  }),
}
