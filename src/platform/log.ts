/**
 * The daemon's log: one line an event, on stdout. JSON with a time; under systemd, which keeps the time itself, with a
 * priority instead; on a terminal, for eyes. Secrets do not pass, and nothing that is logged can begin a second line.
 */
import { fstatSync } from 'node:fs'
import { type Logger, pino } from 'pino'

/** Plain values, errors and nested tables of them, under names in camelCase. */
export type Fields = Readonly<Record<string, unknown>>
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
export type LogFormat = 'json' | 'journal' | 'pretty'

export interface Log {
  debug(fields: Fields, message: string): void
  info(fields: Fields, message: string): void
  warn(fields: Fields, message: string): void
  error(fields: Fields, message: string): void
  /** A log that adds `bindings` to every line. */
  child(bindings: Fields): Log
}

/** The log at the root of all others. */
export interface RootLog extends Log {
  /** For this log and all that were made from it. */
  setLevel(level: LogLevel): void
}

export interface LogOptions {
  level: LogLevel
  format: LogFormat
  /** Unix ms; the real clock when it is not given. */
  now?: () => number
  color?: boolean
  /** Gets whole lines with their end; stdout when it is not given. */
  write?: (line: string) => void
}

export function createLog({ level, format, now, color = false, write = writeToStdout }: LogOptions): RootLog {
  const isoTime = now ? () => `,"time":"${new Date(now()).toISOString()}"` : pino.stdTimeFunctions.isoTime
  const root = pino(
    {
      level,
      base: null,
      timestamp: format === 'journal' ? false : isoTime,
      formatters: { level: label => ({ level: label }), log: scrubbed },
      // pino would look at an error once more and glue the messages of its causes together.
      serializers: { err: value => value },
    },
    { write: line => write(`${shaped(masked(visible(line.trimEnd())), format, color)}\n`) },
  )
  const setLevel = (next: LogLevel) => {
    root.level = next
  }
  return { ...wrapped(root), setLevel }
}

/** For tests, and for who has nothing to say. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }

interface Stdout {
  env: Readonly<Record<string, string | undefined>>
  isTty: boolean
  /** What fstat(2) says of it. */
  stat: { dev: number; ino: number }
}

/** systemd.exec(5): JOURNAL_STREAM is the device and inode of the journal's socket, inherited also by who writes elsewhere. */
export function detectFormat({ env, isTty, stat }: Stdout = stdoutNow()): { format: LogFormat; color: boolean } {
  const color = isTty && !env.NO_COLOR && env.TERM !== 'dumb'
  if (env.JOURNAL_STREAM === `${stat.dev}:${stat.ino}`) return { format: 'journal', color: false }
  return { format: isTty ? 'pretty' : 'json', color }
}

function stdoutNow(): Stdout {
  return { env: process.env, isTty: process.stdout.isTTY === true, stat: fstatSync(1) }
}

function wrapped(log: Logger): Log {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: bindings => wrapped(log.child(scrubbed(bindings))),
  }
}

/** Made at the first line: a process that logs elsewhere leaves stdout alone. */
let stdout: ReturnType<typeof pino.destination> | undefined

/** Synchronous, so that the last line before a crash is there. When nobody takes it (disk full, pipe closed) it is lost. */
function writeToStdout(line: string): void {
  stdout ??= pino.destination({ dest: 1, sync: true }).on('error', () => {})
  stdout.write(line)
}

// --- What a line looks like ---

/** sd-daemon(3). */
const PRIORITY: Partial<Record<string, number>> = { fatal: 3, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }
const COLOR: Partial<Record<string, number>> = { fatal: 31, error: 31, warn: 33, info: 32, debug: 2, trace: 2 }

/** `line` is one of pino's: an object of JSON that begins with its level. */
function shaped(line: string, format: LogFormat, color: boolean): string {
  if (format === 'json') return line
  const level = /^\{"level":"(\w+)"/.exec(line)?.[1] ?? 'info'
  if (format === 'journal') return `<${PRIORITY[level] ?? 6}>${line}`
  try {
    return pretty(JSON.parse(line), color)
  } catch {
    return line
  }
}

/** `14:02:11 WARN  the clock jumped  gapMs=70012`, in local time. Stacks are left to the other formats. */
function pretty({ level, time, msg, ...fields }: Record<string, unknown>, color: boolean): string {
  const paint = (code: number | undefined, text: string) => (color && code ? `\u001b[${code}m${text}\u001b[0m` : text)
  const name = String(level)
  const clock = new Date(String(time)).toTimeString().slice(0, 8)
  const pairs = Object.entries(fields).map(([key, value]) => `  ${paint(2, `${visible(key)}=`)}${prettyValue(value)}`)
  return `${paint(2, clock)} ${paint(COLOR[name], name.toUpperCase().padEnd(5))} ${visible(String(msg ?? ''))}${pairs.join('')}`
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value
  return visible(JSON.stringify(value, (key, part) => (key === 'stack' ? undefined : part)))
}

/** Whatever would end a line, move a cursor or turn the reading direction, as an escape of JSON. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/gu, hidden => {
    return `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

// --- What never passes ---

const SECRET_KEY = /(token|authorization|password|secret|cookie|apikey|privatekey|prompt|env)$/
/** The keys that pino writes itself. */
const TAKEN = new Set(['level', 'time', 'msg'])
const LIMIT = { depth: 6, parts: 1_000, stringLength: 8_192, secrets: 500, secretLength: 6, formLength: 6 }

function scrubbed(fields: Fields): Record<string, unknown> {
  const budget = { parts: LIMIT.parts }
  return Object.fromEntries(
    entriesOf(fields, LIMIT.depth, budget).map(([key, value]) => [TAKEN.has(key) ? `${key}_` : key, value]),
  )
}

interface Budget {
  parts: number
}

function entriesOf(table: object, depth: number, budget: Budget): [string, unknown][] {
  return Object.keys(table).flatMap(key => {
    budget.parts -= 1
    return budget.parts < 0 ? [] : [[key, partOf(table, key, depth, budget)]]
  })
}

/** Logging never throws: a getter may. */
function partOf(table: object, key: string, depth: number, budget: Budget): unknown {
  try {
    const value: unknown = Reflect.get(table, key)
    const isSecret = SECRET_KEY.test(key.replace(/[^A-Za-z]/g, '').toLowerCase())
    const isPlain = value == null || typeof value === 'boolean' || typeof value === 'number'
    return isSecret && !isPlain ? '[redacted]' : scrub(value, depth - 1, budget)
  } catch (thrown) {
    return `[unreadable: ${String(thrown)}]`
  }
}

function scrub(value: unknown, depth: number, budget: Budget): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth < 0) return '[…]'
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (value instanceof Error) return scrubbedError(value, depth, budget)
  if ('toJSON' in value && typeof value.toJSON === 'function') return scrub(value.toJSON(), depth - 1, budget)
  if (value instanceof Map || value instanceof Set) return scrub([...value], depth, budget)
  const entries = entriesOf(value, depth, budget)
  return Array.isArray(value) ? entries.map(([, part]) => part) : Object.fromEntries(entries)
}

/** `name`, `message` and `stack` are not among an error's own keys; what tdf adds to them (code, hint) is. */
function scrubbedError(error: Error, depth: number, budget: Budget): Record<string, unknown> {
  const { name, message, stack, cause } = error
  const own = Object.fromEntries(entriesOf(error, depth, budget))
  return { ...own, name, message: cut(message), stack: cut(stack ?? ''), cause: scrub(cause, depth - 1, budget) }
}

function cut(text: string): string {
  const more = text.length - LIMIT.stringLength
  return more > 0 ? `${masked(text).slice(0, LIMIT.stringLength)}… (${more} more characters)` : text
}

const secrets = new Map<string, string[]>()
let anySecret: RegExp | undefined

/**
 * From now on `value` does not pass in any line of any log, nor in base64 or URL-encoded. Of more than 500 the oldest are
 * forgotten; values under 6 characters are not taken, because hiding them would hide half of every line.
 */
export function registerSecret(value: string): void {
  if (value.length < LIMIT.secretLength) return
  secrets.delete(value)
  secrets.set(value, formsOf(value))
  const oldest = secrets.keys().next()
  if (secrets.size > LIMIT.secrets && !oldest.done) secrets.delete(oldest.value)
  anySecret = undefined
}

function masked(line: string): string {
  if (secrets.size === 0) return line
  const forms = () => [...new Set([...secrets.values()].flat())].sort((a, b) => b.length - a.length)
  anySecret ??= new RegExp(
    forms()
      .map(form => form.replace(/[^\w]/g, '\\$&'))
      .join('|'),
    'g',
  )
  return line.replace(anySecret, '[secret]')
}

/** As it may stand inside a string of JSON: itself, URL-encoded, and in base64 at each of the three places in a group. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const inBase64 = [0, 1, 2].map(offset => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const isOpen = (offset + bytes.length) % 3 !== 0
    return text.slice([0, 2, 3][offset], isOpen ? -1 : undefined)
  })
  const plain = bytes.toString()
  const whole = [visible(JSON.stringify(plain).slice(1, -1)), encodeURIComponent(plain), bytes.toString('base64')]
  const forms = [...whole, ...inBase64].filter(form => form.length >= LIMIT.formLength)
  return [...forms, ...forms.map(form => form.replaceAll('+', '-').replaceAll('/', '_'))]
}
