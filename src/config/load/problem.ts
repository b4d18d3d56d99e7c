/** What is wrong with a configuration: every place at once, in one error. */
import { TdfError } from '../../core/errors.ts'
import type { Origin } from './tree.ts'

export interface Problem {
  /** `FILE:LINE:COL`, `FILE` or `env NAME`. */
  where: string
  message: string
  /** The right spelling, where one is near. */
  suggestion?: string | undefined
}

const SHOWN_MAX = 50

/** At the key, or at its value. A key that is not set can only be wrong by its absence. */
export function problemAt(
  origin: Origin,
  at: 'key' | 'value',
  file: string,
  message: string,
  suggestion?: string,
): Problem {
  return { where: whereText(origin, at, file), message, suggestion }
}

function whereText(origin: Origin, at: 'key' | 'value', file: string): string {
  if (origin.kind === 'env') return `env ${origin.name}`
  if (origin.kind === 'default') return file
  const [line, column] = at === 'key' ? [origin.line, origin.column] : [origin.valueLine, origin.valueColumn]
  return `${origin.file}:${line}:${column}`
}

export function configInvalid(problems: readonly Problem[]): TdfError {
  const sorted = [...problems].sort((a, b) => collator.compare(sortText(a), sortText(b)))
  const shown = sorted.slice(0, SHOWN_MAX)
  const width = Math.max(...shown.map(({ where }) => where.length))
  const lines = shown.map(({ where, message, suggestion }) => {
    const rest = suggestion === undefined ? '' : ` — did you mean ${quoted(suggestion)}?`
    return `${where.padEnd(width)}  error  ${message}${rest}`
  })
  if (sorted.length > shown.length) lines.push(`… and ${sorted.length - shown.length} more`)
  const total = sorted.length === 1 ? '1 error' : `${sorted.length} errors`
  return new TdfError('CONFIG_INVALID', ['the configuration is not usable', ...lines, total].join('\n'))
}

/** By file, line and column as numbers; then the environment. */
const collator = new Intl.Collator('en', { numeric: true })

function sortText({ where }: Problem): string {
  return `${where.startsWith('env ') ? 1 : 0} ${where}`
}

/** In quotes, short, and with nothing in it that a terminal would obey. */
export function quoted(text: string): string {
  return escaped(text.length > 60 ? `${text.slice(0, 59)}…` : text)
}

/** A basic string of TOML: what a terminal would obey stands there as its escape. */
export function escaped(text: string): string {
  return JSON.stringify(text).replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/gu, hidden => {
    return `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
