/** What the four model APIs have in common: a request becomes turns, a reply becomes a body or server-sent events. */
import type { Reply, Turn } from './scenario.ts'

/** A request body as it was sent; each API looks into its own fields. */
// biome-ignore lint/suspicious/noExplicitAny: other people's shapes, read leniently
export type Body = any

export type Said = Extract<Reply, { kind: 'text' | 'run' | 'call' }>

export interface Sse {
  event?: string
  data: unknown
}

export interface Api {
  turns(body: Body): Turn[]
  /** The names of the tools that the request offers. */
  tools(body: Body): string[]
  stream(body: Body, reply: Said): Sse[]
  /** The same as one body, for requests that don't want a stream. */
  whole(body: Body, reply: Said): unknown
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

export const toolAmong = (names: readonly string[], tool: string) => names.find(name => name.endsWith(tool))

/** The tool that a reply wants, by the name that the agent has for it: one of an MCP server stands behind that of the server. */
export function called(names: readonly string[], reply: Exclude<Said, { kind: 'text' }>) {
  if (reply.kind === 'call') return { name: toolAmong(names, reply.tool) ?? reply.tool, input: reply.input }
  const name = shellAmong(names) ?? 'bash'
  return { name, input: { ...(SHELLS[name]?.(reply.command) ?? { command: reply.command }) } }
}

/** The text of a content field: a string, or a list of parts of which some are text. */
export function textOf(content: Body): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => (typeof part === 'string' ? part : (part?.text ?? ''))).join('\n')
}
