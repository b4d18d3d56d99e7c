/** Tasks: none is lost, none sleeps for ever, and what is said of one is true. */
import { taskSubject } from '../../../daemon/engine/loop.ts'
import { isTerminal } from '../../../src/core/task.ts'
import { type Check, describe, type Seen } from '../seen.ts'

export const taskInvariants: Record<string, Check> = {
  'an acknowledged task is there': ({ sim, attempts }) => {
    const known = new Set(attempts.map(({ id }) => id))
    return [...sim.acknowledged].filter(id => !known.has(id)).map(id => `${id} is gone`)
  },

  'every live task has a wake that the loop knows': ({ sim, live }) =>
    live
      .filter(task => !sim.life.engine.loop.knows(taskSubject(task)))
      .map(task => `${describe(task)} sleeps for ever`),

  'terminal is final': ({ sim, attempts }) =>
    attempts.flatMap(task => {
      const key = `${task.id}/${task.attempt}`
      const now = `${task.status} ${task.verdict}`
      const before = sim.ended.get(key)
      if (isTerminal(task.status) && before === undefined) sim.ended.set(key, now)
      return before !== undefined && before !== now ? [`${key} was ${before} and is ${now}`] : []
    }),

  'a cancel reaches its task, whatever it does': ({ sim, attempts, isBusy }) =>
    isBusy
      ? []
      : attempts.filter(task => sim.cancelled.has(keyOf(task)) && !isTerminal(task.status)).map(task => describe(task)),

  'a retry opens an attempt': ({ sim, attempts }) => {
    const known = new Set(attempts.map(keyOf))
    return [...sim.retried].filter(key => !known.has(key)).map(key => `${key} was never opened`)
  },

  'completed means that the agent ended well': ({ attempts }) =>
    attempts.filter(({ status, facts }) => status === 'completed' && facts.exit?.exitCode !== 0).map(describe),

  'no node decides about the work of another': ({ agents, attempts }) => {
    const running = new Set(
      agents.flatMap(({ workspaces }) =>
        [...workspaces.values()].flatMap(({ sessions }) =>
          [...sessions].flatMap(([id, { status }]) => (status === 'running' ? [id] : [])),
        ),
      ),
    )
    return attempts
      .filter(({ error, facts, status, step, sessionId }) => {
        const isEnded =
          status === 'in_progress' &&
          step === 'salvage' &&
          facts.exit != null &&
          sessionId !== null &&
          running.has(sessionId)
        return error?.message.includes('a lie') || isEnded
      })
      .map(describe)
  },

  'attempts never exceed their limits': ({ sim, attempts }) =>
    attempts.filter(({ stepAttempt }) => stepAttempt > sim.out.config.runner.stepMaxRetries + 1).map(describe),

  // Once the rest is over it is woken; the answer to that may be lost, and the next try finds what runs.
  'a parked task knows until when, and nothing of it runs before': seen =>
    seen.attempts
      .filter(({ status, step }) => status === 'parked' && step !== 'salvage')
      .filter(({ id, parkedUntil }) => parkedUntil === null || (seen.now < parkedUntil && runs(seen, id)))
      .map(describe),
}

const keyOf = ({ id, attempt }: { id: string; attempt: number }) => `${id}/${attempt}`

/** Whether a session of the task is at work on some node that it has been told the end of. */
function runs({ isBusy, agents }: Seen, taskId: string): boolean {
  if (isBusy) return false
  const workspaces = agents.flatMap(agent => [...agent.workspaces.values()])
  const own = workspaces.filter(({ body }) => body.taskId === taskId)
  return own.some(({ sessions }) => [...sessions.values()].some(({ status }) => status === 'running'))
}
