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
export function readLine(text: string, readers: readonly Reader[] = READERS): AgentEvent[] {
  const json = parse(text)
  for (const reader of json ? readers : []) {
    const events = json && reader(json)
    if (events) return events
  }
  return [{ kind: 'raw', text }]
}

function parse(text: string): Json | null {
  if (!text.startsWith('{')) return null
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
