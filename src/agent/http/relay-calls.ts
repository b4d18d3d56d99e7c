/** Calls of agents to the daemon: each is an event that waits for its answer. The same call again is the same event. */
import { createHash } from 'node:crypto'
import type { Cancel } from '../../platform/world.ts'
import type { RequestAnswer } from '../../protocol/callbacks.ts'
import { CALL_CHARS_MAX } from '../../protocol/callbacks.ts'
import type { Agent } from '../agent.ts'
import type { SessionState } from '../sessions/folder.ts'

export interface Calls {
  /** `name`: what makes it the same call when it comes again. Waits for the daemon's answer, for a while. */
  call(session: SessionState, name: readonly unknown[], tool: string, input: string): Promise<Answer>
  answered(workspaceId: string, answer: RequestAnswer): void
  /** Ends every wait. */
  stop(): void
}

export type Answer = Omit<RequestAnswer, 'requestId'>

/** Clients give a call up after a minute. */
const WAIT_MS = 50_000
/** Of one workspace: calls that wait at once, calls in all, and their characters. */
const WAITING_MAX = 8
const CALLS_MAX = 2_000
const CHARS_MAX = 16 * 1024 * 1024
const KEPT_MAX = 200

export const REQUEST = 'session.request'

export function createCalls(agent: () => Agent): Calls {
  const waiting = new Map<string, Set<(answer: Answer) => void>>()
  /** What was answered lately, for a call that comes again. */
  const kept = new Map<string, Answer>()

  function wait(key: string): Promise<Answer> {
    return new Promise(resolve => {
      const settle = (answer: Answer) => {
        cancel()
        waiting.get(key)?.delete(settle)
        if (waiting.get(key)?.size === 0) waiting.delete(key)
        resolve(answer)
      }
      const cancel: Cancel = agent().world.clock.timer(WAIT_MS, () => settle(LATE))
      waiting.set(key, (waiting.get(key) ?? new Set()).add(settle))
    })
  }

  return {
    async call({ request }, name, tool, input) {
      const { outbox } = agent()
      const { workspaceId, sessionId, taskId, attempt } = request
      const requestId = `r${digest([sessionId, name, tool, input])}`
      const key = `${workspaceId} ${requestId}`
      const known = kept.get(key)
      if (known) return known
      const waits = [...waiting.keys()].filter(one => one.startsWith(`${workspaceId} `)).length
      if (waits >= WAITING_MAX) return error('too many calls wait for the daemon at once')
      const asked = outbox.of(workspaceId).filter(({ type }) => type === REQUEST)
      const chars = asked.reduce((sum, { data }) => sum + String(data.input).length, 0)
      if (input.length > CALL_CHARS_MAX) return error(`the arguments are over ${CALL_CHARS_MAX} characters`)
      if (asked.length >= CALLS_MAX || chars > CHARS_MAX) return error('this task has made all the calls that it may')
      const answer = wait(key)
      // Also when it was asked before: whoever asks again may have lost the answer.
      const data = { attempt, sessionId, requestId, tool, input }
      if (!waiting.get(key) || waiting.get(key)?.size === 1) {
        outbox.add({ type: REQUEST, workspaceId, taskId, attempt, sessionId, data })
      }
      return answer
    },
    answered(workspaceId, { requestId, ...answer }) {
      const key = `${workspaceId} ${requestId}`
      kept.set(key, answer)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
      for (const settle of [...(waiting.get(key) ?? [])]) settle(answer)
    },
    stop() {
      for (const all of [...waiting.values()]) for (const settle of [...all]) settle(LATE)
    },
  }
}

const error = (text: string): Answer => ({ isError: true, text })
const LATE = error('the daemon has not answered yet: call again with the same arguments, which does nothing twice')

const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 40)
