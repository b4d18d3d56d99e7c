/** The agent as it is shipped, as a process of its own. */

import { agentConformance } from '../../../conformance/agent.suite.ts'
import { sessionConformance } from '../../../conformance/session.suite.ts'
import type { Script } from '../../../fakes/agent.ts'
import { startAgentProcess } from './support/agent.ts'
import { repository } from './support/work.ts'

agentConformance('the real agent', startReal)
sessionConformance('the real agent', startReal)

async function startReal() {
  const agent = await startAgentProcess({ name: 'real' })
  return { ...agent, name: 'real', repositoryUrl: `file://${repository()}`, command, talking }
}

const TALKING = new URL('../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname

/** What a session reports or takes, only an agent that talks can. */
function talking(script: Script) {
  if (!script.steerable && !script.says && !script.asks) return { type: 'command', command: command(script) }
  return { type: 'claude', command: [process.execPath, TALKING, JSON.stringify(script)] }
}

function command({ ms = 0, exitCode = 0, commits = 0, dirty, hangs, cannotStart }: Script): string[] {
  if (cannotStart !== undefined) return ['/nonexistent/program']
  const work = Array.from(
    { length: commits },
    (_, index) => `echo ${index} > file${index}; git add -A; git commit -qm ${index}`,
  )
  const rest = [dirty ? 'echo more > more.txt' : '', hangs ? 'sleep 600' : `sleep ${ms / 1000}`, `exit ${exitCode}`]
  return ['sh', '-c', [...work, ...rest].filter(Boolean).join('\n')]
}
