/** Names of what the loop runs. */
import type { AttemptKey } from '../src/store/attempts.ts'

export const taskSubject = ({ id, attempt }: AttemptKey) => `task:${id}/${attempt}`
export const nodeSubject = (name: string) => `node:${name}`

export type Parsed = { kind: 'task'; key: AttemptKey } | { kind: 'node'; name: string }

export function parseSubject(subject: string): Parsed {
  const colon = subject.indexOf(':')
  const rest = subject.slice(colon + 1)
  if (subject.startsWith('node:')) return { kind: 'node', name: rest }
  const slash = rest.lastIndexOf('/')
  return { kind: 'task', key: { id: rest.slice(0, slash), attempt: Number(rest.slice(slash + 1)) } }
}
