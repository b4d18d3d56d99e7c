/**
 * The daemon's log: one line an event, on stdout. JSON with a time; under systemd, which keeps the time itself, with a
 * priority instead; on a terminal, for eyes. pino makes the lines; secrets do not pass, and nothing begins a second line.
 */
import { copyFileSync, fstatSync, ftruncateSync, readFileSync, rmSync, statSync } from 'node:fs'
import { pino } from 'pino'
import { visible } from '../text/sanitize.ts'
import { moveDurable, syncPath } from './files.ts'

type Field = string | number | boolean | null | undefined | readonly string[]
/** Flat, under names in camelCase: what has no end, no text or a trap in it is no field. pino's own names are taken. */
export type Fields = Readonly<Record<string, Field>> & { level?: never; time?: never; msg?: never }
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
export type LogFormat = 'json' | 'journal' | 'pretty'

export interface Log extends Record<'debug' | 'info' | 'warn' | 'error', (fields: Fields, message: string) => void> {
  /** A log that adds `bindings` to every line. */
  child(bindings: Fields): Log
}

/** The log at the root of all others; its level is that of all that were made from it. */
export interface RootLog extends Log {
  level: string
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

/** The second wall: a secret is registered when it is read, and no line shows it under any name. */
const SECRET_NAMES = 'token callbackToken agentToken authorization password secret cookie apiKey privateKey prompt env'
const LIMIT = { lineLength: 16_384, textLength: 4_096, items: 100 }

export function createLog({ level, format, now, color = false, write = toStdout }: LogOptions): RootLog {
  const isoTime = now ? () => `,"time":"${new Date(now()).toISOString()}"` : pino.stdTimeFunctions.isoTime
  const timestamp = format === 'journal' ? false : isoTime
  const formatters = { level: (label: string) => ({ level: label }) }
  const end = { write: (line: string) => write(`${shaped(bounded(masked(visible(line.trimEnd()))), format, color)}\n`) }
  return pino({ level, base: null, timestamp, formatters, redact: SECRET_NAMES.split(' ') }, end)
}

/** For tests, and for a part that logs nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }

interface Stdout {
  env: Readonly<Record<string, string | undefined>>
  isTty: boolean
  /** What fstat(2) says of it. */
  stat: { dev: number; ino: number }
}

/** systemd.exec(5): JOURNAL_STREAM is the device and inode of the journal's socket, inherited also by programs that write elsewhere. */
export function detectFormat({ env, isTty, stat }: Stdout = stdoutNow()): { format: LogFormat; color: boolean } {
  const color = isTty && !env.NO_COLOR && env.TERM !== 'dumb'
  if (env.JOURNAL_STREAM === `${stat.dev}:${stat.ino}`) return { format: 'journal', color: false }
  return { format: isTty ? 'pretty' : 'json', color }
}

function stdoutNow(): Stdout {
  return { env: process.env, isTty: process.stdout.isTTY === true, stat: fstatSync(1) }
}

/** Made at the first line: a process that logs elsewhere leaves stdout alone. */
let stdout: ReturnType<typeof pino.destination> | undefined

/** Synchronous, so that the last line before a crash is there. When it cannot be written (disk full, pipe closed) it is lost. */
export function toStdout(line: string): void {
  stdout ??= pino.destination({ dest: 1, sync: true }).on('error', () => {})
  stdout.write(line)
}

/** sd-daemon(3). */
const PRIORITY: Partial<Record<string, number>> = { fatal: 3, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }
const COLOR: Partial<Record<string, number>> = { fatal: 31, error: 31, warn: 33, info: 32, debug: 2, trace: 2 }

/** A line that is too long keeps its fields, and loses the ends of long texts and lists. */
function bounded(line: string): string {
  if (line.length <= LIMIT.lineLength) return line
  const short = (_: string, value: unknown) => {
    if (Array.isArray(value)) return value.slice(0, LIMIT.items)
    return typeof value === 'string' && value.length > LIMIT.textLength ? `${value.slice(0, LIMIT.textLength)}…` : value
  }
  return visible(JSON.stringify(JSON.parse(line, short)))
}

/** `line` is one of pino's: an object of JSON that begins with its level. */
function shaped(line: string, format: LogFormat, color: boolean): string {
  if (format === 'json') return line
  if (format === 'pretty') return pretty(JSON.parse(line), color)
  return `<${PRIORITY[/^\{"level":"(\w+)"/.exec(line)?.[1] ?? 'info']}>${line}`
}

/** `14:02:11 WARN  the clock jumped  gapMs=70012`, in local time. */
function pretty({ level, time, msg, ...fields }: Record<string, unknown>, color: boolean): string {
  const paint = (code: number | undefined, text: string) => (color && code ? `\u001b[${code}m${text}\u001b[0m` : text)
  const name = String(level)
  const clock = new Date(String(time)).toTimeString().slice(0, 8)
  const word = (value: unknown) => (/^[\w.:/@+-]+$/.test(String(value)) ? String(value) : JSON.stringify(value))
  const pairs = Object.entries(fields).map(([key, value]) => `  ${paint(2, `${visible(key)}=`)}${visible(word(value))}`)
  return `${paint(2, clock)} ${paint(COLOR[name], name.toUpperCase().padEnd(5))} ${visible(String(msg))}${pairs.join('')}`
}

// --- The file of a daemon in the background: it stays open as standard output and standard error, so that the last words of a
// crash are in it too. What is there is copied aside and made durable first, and only then is the file emptied: a cut between
// the two leaves lines twice, never none. ---

const STDOUT = 1
/** open(2): every write goes to the end, also of a file that was emptied. */
const O_APPEND = 0o2000

export interface LogFile {
  file: string
  /** Where its lines go when there are too many; those that were there go. */
  older: string
  bytesMax: number
}

/** `write`, which writes a line to standard output, with a bound where that is the file; another one is its user's. */
export function keptBounded(kept: LogFile, write: (line: string) => void): (line: string) => void {
  const { file, bytesMax } = kept
  if (!isStdout(file)) return write
  let limit = bytesMax
  return line => {
    write(line)
    const { size } = fstatSync(STDOUT)
    if (size < limit) return
    // Without room for the copy the log goes on as it is, and is looked at again when it has grown as much.
    limit = isStdout(file) && isSetAside(kept) ? bytesMax : size + bytesMax
  }
}

/** In one turn, and this process is the only one that writes: no line comes between the copy and the end of what it copied. */
function isSetAside({ file, older }: LogFile): boolean {
  const copy = `${file}.new`
  try {
    copyFileSync(file, copy)
    syncPath(copy)
    moveDurable(copy, older)
    ftruncateSync(STDOUT, 0)
    return true
  } catch {
    rmSync(copy, { force: true })
    return false
  }
}

/** Whether standard output is this very file, and is written at its end. */
function isStdout(file: string): boolean {
  try {
    const [ours, there] = [fstatSync(STDOUT), statSync(file)]
    const [, flags = ''] = /^flags:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/fdinfo/1', 'latin1')) ?? []
    return ours.dev === there.dev && ours.ino === there.ino && (Number.parseInt(flags, 8) & O_APPEND) !== 0
  } catch {
    return false
  }
}

// --- Secrets that no line may show, in any form in which they may stand there ---

const SECRETS = { secrets: 500, secretLength: 6, formLength: 6 }

const secrets = new Map<string, string[]>()
let anySecret: RegExp | undefined

/**
 * From now on `value` does not pass in any line of any log, nor in base64 or URL-encoded. Of more than 500 the oldest are
 * forgotten; values under 6 characters are not taken, because hiding them would hide half of every line.
 */
export function registerSecret(value: string): void {
  if (value.length < SECRETS.secretLength) return
  secrets.delete(value)
  secrets.set(value, formsOf(value))
  const oldest = secrets.keys().next()
  if (secrets.size > SECRETS.secrets && !oldest.done) secrets.delete(oldest.value)
  anySecret = undefined
}

/** The same text with every registered secret as `[secret]`. */
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
  const forms = [...whole, ...inBase64].filter(form => form.length >= SECRETS.formLength)
  return [...forms, ...forms.map(form => form.replaceAll('+', '-').replaceAll('/', '_'))]
}
