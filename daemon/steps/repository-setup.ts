/** Whether what a repository asks for in its own file runs before the agent. */
import type { Node } from '../../src/node.ts'
import type { CreateWorkspace } from '../../src/protocol/agent-api.ts'
import type { TaskSpec } from '../../src/task.ts'
import type { StepContext } from '../context.ts'

const TIMEOUT_MS = 20 * 60_000

type Wish = Pick<TaskSpec, 'setup' | 'repositorySetup' | 'repo'>

/**
 * It runs as the agent would, but before anybody has looked. So on a machine of yours it runs from a folder of yours; what
 * was fetched from elsewhere is refused there, in so many words. A machine that was ordered for tasks has nothing else.
 */
export function repositorySetup(
  { repositorySetup: whose }: StepContext['config']['runner'],
  spec: Wish,
  node: Pick<Node, 'autoProvisioned'> | undefined,
): Pick<CreateWorkspace, 'repositorySetup'> {
  if (spec.setup !== null || spec.repositorySetup === false || whose === 'never') return {}
  const isTrusted = whose === 'always' || spec.repo.kind === 'bundle' || node?.autoProvisioned === true
  return { repositorySetup: { policy: isTrusted ? 'run' : 'refuse', timeoutMs: TIMEOUT_MS } }
}
