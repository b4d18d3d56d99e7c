/** Any program: it gets the prompt on stdin, and its exit code is all that it reports. */
import type { Adapter } from './adapter.ts'

export const command: Adapter = {
  steerable: false,
  prepare: request => ({
    command: request.agent.command,
    stdin: request.prompt === '' ? 'nothing' : 'prompt',
    env: request.agent.env,
  }),
}
