/** What the agent says no with. A code always has the same status; both are part of the agent's API. */
const STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  timeout: 408,
  conflict: 409,
  wrong_node: 409,
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
