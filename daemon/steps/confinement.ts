/** The sandbox that goes with a command to its node. */
import type { AgentClient } from '../../src/agent-client.ts'
import { TdfError } from '../../src/errors.ts'
import type { Sandbox } from '../../src/protocol/agent-api.ts'
import type { StepContext } from '../context.ts'

/** Asks first: an agent that knows no sandbox would run the command without one. Throws SANDBOX_UNAVAILABLE. */
export async function confinement(
  ctx: StepContext,
  nodeName: string,
  agent: AgentClient,
): Promise<{ sandbox?: Sandbox }> {
  const sandbox = ctx.sandbox(nodeName)
  if (sandbox === null) return {}
  const problem = await agent.sandboxProblem(sandbox.kind)
  if (problem === null) return { sandbox }
  const message = `node ${nodeName} cannot confine what tasks run, as [providers.local] sandbox asks: ${problem}`
  throw new TdfError('SANDBOX_UNAVAILABLE', message)
}
