/** A line of whatever agent's stream; each reader knows its own lines by their shape. */
import { acp } from './acp.ts'
import { claude } from './claude.ts'
import { codex } from './codex.ts'
import { codexExec } from './codex-exec.ts'
import type { AgentEvent, Json, Reader } from './event.ts'
import { isObject } from './fields.ts'
import { opencode } from './opencode.ts'

const READERS: readonly Reader[] = [acp, opencode, codexExec, claude, codex]

/** A line that nobody knows is `raw`: kept and passed over. */
export function readLine(text: string): AgentEvent[] {
  const line = parseLine(text)
  for (const reader of line === null ? [] : READERS) {
    const events = line && reader(line)
    if (events) return events
  }
  return [{ kind: 'raw', text }]
}

/** By one reader; an unknown message is no event. */
export function readJsonLine(line: Json, reader: Reader | null): AgentEvent[] {
  return reader?.(line) ?? []
}

export function parseLine(text: string): Json | null {
  if (!text.startsWith('{')) return null
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
