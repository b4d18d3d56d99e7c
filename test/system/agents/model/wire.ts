/** What the four model APIs have in common: a request becomes turns, a reply becomes a body or server-sent events. */
import type { Reply, Turn } from './scenario.ts'

/** A request body as it was sent; each API looks into its own fields. */
// biome-ignore lint/suspicious/noExplicitAny: other people's shapes, read leniently
export type Body = any

export interface Sse {
  event?: string
  data: unknown
}

export interface Api {
  turns(body: Body): Turn[]
  /** The name of the tool that runs a command, of those that the request offers. */
  shell(body: Body): string | null
  stream(body: Body, reply: Extract<Reply, { kind: 'text' | 'run' }>): Sse[]
  /** The same as one body, for requests that don't want a stream. */
  whole(body: Body, reply: Extract<Reply, { kind: 'text' | 'run' }>): unknown
  failure(reply: Extract<Reply, { kind: 'status' }>): unknown
}

export const USAGE = { input: 100, cached: 50, output: 16 }

let count = 0
export const freshId = (kind: string) => `${kind}_${process.pid}${++count}`

/** Agents name their shell and its arguments differently. */
const SHELLS: Record<string, (command: string) => Record<string, unknown>> = {
  Bash: command => ({ command, description: 'work' }),
  bash: command => ({ command, description: 'work' }),
  run_shell_command: command => ({ command, description: 'work', is_background: false }),
  exec_command: cmd => ({ cmd }),
  shell_command: command => ({ command }),
  shell: command => ({ command: ['bash', '-lc', command] }),
}

export function shellAmong(names: readonly string[]): string | null {
  return Object.keys(SHELLS).find(name => names.includes(name)) ?? null
}

export function shellInput(name: string, command: string): Record<string, unknown> {
  return SHELLS[name]?.(command) ?? { command }
}

/** The text of a content field: a string, or a list of parts of which some are text. */
export function textOf(content: Body): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => (typeof part === 'string' ? part : (part?.text ?? ''))).join('\n')
}
