/** An agent's questions for permission: answered at once by policy, or kept until a person's answer is in the folder. */
import { join } from 'node:path'
import { permissionAnswer } from '../../../protocol/agent-api.ts'
import { idPattern } from '../../../protocol/shapes.ts'
import type { AgentEvent } from '../../../transcript/event.ts'
import { readJson } from '../../state/durable.ts'
import type { SessionFacts } from '../facts.ts'
import { answersFolder, type SessionRequest } from '../folder.ts'

type Question = Extract<AgentEvent, { kind: 'permission' }>
type Pending = NonNullable<SessionFacts['pendingPermission']>

export interface Permissions {
  /** Null: a person has to say. */
  ask(question: Question): 'allow' | 'deny' | null
  /** The oldest that waits. */
  pending(): Pending | null
  /** What has been answered since the last look; `request` as the question named it. */
  answers(): { request: string; decision: 'allow' | 'deny'; message: string }[]
  close(): void
}

const DETAIL_LENGTH_MAX = 4_000

export function openPermissions(
  folder: string,
  policy: SessionRequest['permissions'],
  isoNow: () => string,
): Permissions {
  const waiting = new Map<string, Pending & { request: string }>()
  let count = 0
  return {
    ask: ({ request, tool, detail }) => {
      if (policy !== 'ask') return policy
      count += 1
      const requestId = publicId(request) ?? `ask-${count}`
      waiting.set(requestId, { request, requestId, tool, detail: detail.slice(0, DETAIL_LENGTH_MAX), at: isoNow() })
      return null
    },
    pending: () => {
      const [oldest] = waiting.values()
      if (!oldest) return null
      const { request: _request, ...shown } = oldest
      return shown
    },
    answers: () =>
      [...waiting].flatMap(([requestId, { request }]) => {
        const answer = readJson(join(answersFolder(folder), `${requestId}.json`), permissionAnswer)
        if (!answer) return []
        waiting.delete(requestId)
        return [{ request, decision: answer.decision, message: answer.message ?? '' }]
      }),
    close: () => waiting.clear(),
  }
}

/** The agent's own id where it can be a file's name: for JSON-RPC it is a JSON value. */
function publicId(request: string): string | null {
  const plain = request.replace(/^"(.*)"$/, '$1')
  return idPattern.test(plain) ? plain : null
}
