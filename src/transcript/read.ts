/** A line of whatever agent's stream; each reader knows its own lines by their shape. */
import { sanitize } from '../text/sanitize.ts'
import { acp } from './acp.ts'
import { claude } from './claude.ts'
import { codex } from './codex.ts'
import { codexExec } from './codex-exec.ts'
import type { AgentEvent, Json, Reader } from './event.ts'
import { isObject } from './fields.ts'
import { opencode } from './opencode.ts'

const READERS: readonly Reader[] = [acp, opencode, codexExec, claude, codex]

/** An unknown line is `raw`: kept and passed over. */
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

/** The object of a line, whatever is around it; null when there is none. */
export function parseLine(text: string): Json | null {
  const clean = unwrapped(text)
  if (clean === null) return null
  try {
    const value: unknown = JSON.parse(clean)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

const BEFORE_MAX = 2_000

/**
 * The text from the first to the last brace, when what is around it is nothing to read: a byte order mark, colours, NUL,
 * what a progress bar wrote before its last carriage return.
 */
function unwrapped(text: string): string | null {
  if (text.startsWith('{') && text.endsWith('}')) return text
  const from = text.indexOf('{')
  const to = text.lastIndexOf('}') + 1
  if (from < 0 || from > BEFORE_MAX || to <= from) return null
  const before = text.slice(text.lastIndexOf('\r', from) + 1, from)
  return isBlank(before) && isBlank(text.slice(to)) ? text.slice(from, to) : null
}

/** Whether a line that is not whole yet may be an object. */
export function beginsObject(text: string): boolean {
  const from = text.indexOf('{')
  return from >= 0 && from <= BEFORE_MAX && isBlank(text.slice(text.lastIndexOf('\r', from) + 1, from))
}

const isBlank = (text: string) => text === '' || sanitize(text).replaceAll('\uFEFF', '').trim() === ''
