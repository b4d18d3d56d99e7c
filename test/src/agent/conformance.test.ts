/** The agent as it is shipped, as a process of its own. */

import { agentConformance } from '../../conformance/agent.suite.ts'
import type { Script } from '../../fakes/agent.ts'
import { startAgentProcess } from './support/agent.ts'
import { repository } from './support/work.ts'

agentConformance('the real agent', async () => {
  const agent = await startAgentProcess({ name: 'real' })
  return { ...agent, name: 'real', repositoryUrl: `file://${repository()}`, command }
})

function command({ ms = 0, exitCode = 0, commits = 0, dirty, hangs, cannotStart }: Script): string[] {
  if (cannotStart !== undefined) return ['/nonexistent/program']
  const work = Array.from(
    { length: commits },
    (_, index) => `echo ${index} > file${index}; git add -A; git commit -qm ${index}`,
  )
  const rest = [dirty ? 'echo more > more.txt' : '', hangs ? 'sleep 600' : `sleep ${ms / 1000}`, `exit ${exitCode}`]
  return ['sh', '-c', [...work, ...rest].filter(Boolean).join('\n')]
}
