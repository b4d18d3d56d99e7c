/** Refusals of the agent's API, reasons not to start, and the agent's log. A code always has the same HTTP status. */
import process from 'node:process'

const STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  timeout: 408,
  conflict: 409,
  wrong_node: 409,
  wrong_state: 409,
  workspace_not_ready: 409,
  session_running: 409,
  session_exited: 409,
  not_steerable: 409,
  gone: 410,
  too_large: 413,
  unsupported_media: 415,
  cannot_start: 422,
  internal: 500,
  salvage_failed: 500,
  not_started: 503,
} as const

export type RefusalCode = keyof typeof STATUS

export class Refusal extends Error {
  readonly code: RefusalCode
  readonly field: string | undefined

  constructor(code: RefusalCode, message: string, field?: string) {
    super(message)
    this.name = 'Refusal'
    this.code = code
    this.field = field
  }

  get status() {
    return STATUS[this.code]
  }
}

export function malformed(field: string, message: string): Refusal {
  return new Refusal('bad_request', `${field}: ${message}`, field)
}

export type Facts = Record<string, string | number | boolean | null>
export type Log = (level: 'info' | 'warn' | 'error', msg: string, facts?: Facts) => void

/** One JSON line per event, on stderr: stdout only holds what the starting program waits for. */
export const logToStderr: Log = (level, msg, facts = {}) => {
  process.stderr.write(`${JSON.stringify({ level, msg, ...facts })}\n`)
}

export function announce(msg: string, facts: Facts): void {
  process.stdout.write(`${JSON.stringify({ level: 'info', msg, ...facts })}\n`)
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The error code of Node or of the system, such as ENOENT; null when there is none. */
export function codeOf(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null
}

/** Reasons why the agent does not start; each has an exit code of its own. */
export class StateInUse extends Error {}
export class Misconfigured extends Error {}
