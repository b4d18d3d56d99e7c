/** Before a workspace is deleted: the output of everything that ran in it. */
import type { AgentClient } from '../../src/agent-client.ts'
import { asTdfError } from '../../src/errors.ts'
import type { Task } from '../../src/task.ts'
import { SETUP_SESSION, sessionsOf } from '../sessions.ts'
import type { Logs } from './logs.ts'

/** The name of when a log was written, beside that of the log. No id has a dot in it. */
export const timesOf = (sessionId: string) => `${sessionId}.times`

/** A log that the agent does not have is no reason to keep a workspace; one that it cannot give now is. */
export async function keepLogs(logs: Logs, task: Task, workspaceId: string, agent: AgentClient): Promise<void> {
  for (const sessionId of [SETUP_SESSION, ...sessionsOf(task, workspaceId)]) {
    try {
      await logs.keep(task, sessionId, after => agent.logs(workspaceId, sessionId, after))
      await logs.keep(task, timesOf(sessionId), after => agent.logTimes(workspaceId, sessionId, after))
    } catch (thrown) {
      const { code } = asTdfError(thrown)
      if (code !== 'WORKSPACE_GONE' && code !== 'AGENT_REFUSED') throw thrown
    }
  }
}
