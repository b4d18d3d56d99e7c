/** Looking into other people's JSON: what is missing or of another type is absent, never an error. */
import type { Json } from './event.ts'

/** The object under `path`, or an empty one. */
export function objectAt(value: unknown, ...path: string[]): Json {
  const found = valueAt(value, ...path)
  return isObject(found) ? found : {}
}

export function textAt(value: unknown, ...path: string[]): string | null {
  const found = valueAt(value, ...path)
  return typeof found === 'string' ? found : null
}

export function numberAt(value: unknown, ...path: string[]): number | null {
  const found = valueAt(value, ...path)
  return typeof found === 'number' && Number.isFinite(found) ? found : null
}

/** A count of something: whole and not negative, else 0. */
export function countAt(value: unknown, ...path: string[]): number {
  return Math.max(0, Math.round(numberAt(value, ...path) ?? 0))
}

export function listAt(value: unknown, ...path: string[]): unknown[] {
  const found = valueAt(value, ...path)
  return Array.isArray(found) ? found : []
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of a content field: a string, one part, or a list of parts of which some are text. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (Array.isArray(content)) return content.map(contentText).filter(Boolean).join('\n')
  return textAt(content, 'text') ?? (isObject(content) && 'content' in content ? contentText(content.content) : '')
}

/** Seconds since 1970 as ISO 8601; null for anything else. */
export function isoFromSeconds(seconds: number | null): string | null {
  if (seconds === null || seconds <= 0 || seconds > 8e12 / 1000) return null
  return new Date(seconds * 1000).toISOString()
}

/** What a tool is asked to do, in a line for people: its command or path, else all of its input. */
export function toolDetail(input: unknown): string {
  const fields = ['command', 'cmd', 'file_path', 'filePath', 'path', 'pattern', 'url', 'query', 'description']
  for (const field of fields) {
    const text = textAt(input, field)
    if (text) return text
  }
  return isObject(input) && Object.keys(input).length > 0 ? JSON.stringify(input) : ''
}

function valueAt(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), value)
}
