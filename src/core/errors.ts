/**
 * Every failure has a row here. `class` says what the engine does with it: *transient* is tried again and costs an
 * attempt, *wait* comes back at a known time and costs none, *permanent* ends the attempt. `exit` and `status` are
 * what the CLI and the control API answer; `hint` is the next command to type ({task} and {node} are filled in).
 * Errors get their code where the facts are met, never later by reading a message.
 */

export type ErrorClass = 'transient' | 'wait' | 'permanent'

interface ErrorRow {
  class: ErrorClass
  exit: number
  status: number
  hint: string
}

const row = (errorClass: ErrorClass, exit: number, status: number, hint: string): ErrorRow => ({
  class: errorClass,
  exit,
  status,
  hint,
})

export const ERRORS = {
  // What was asked for
  USAGE: row('permanent', 2, 400, 'tdf --help'),
  BAD_REQUEST: row('permanent', 2, 400, 'tdf --help'),
  EMPTY_PROMPT: row('permanent', 2, 400, 'tdf submit --help'),
  NO_REPOSITORY: row('permanent', 1, 400, 'tdf submit --help'),
  REPOSITORY_UNREADABLE: row('permanent', 1, 400, 'tdf submit --help'),
  REF_UNKNOWN: row('permanent', 1, 400, 'git branch --all'),
  SOURCE_DENIED: row('permanent', 4, 403, 'tdf retry {task}'),
  SOURCE_UNAVAILABLE: row('transient', 75, 503, 'tdf retry {task}'),
  REF_UNSAFE: row('permanent', 2, 400, 'tdf submit --help'),
  REPOSITORY_SHALLOW: row('permanent', 1, 400, 'git fetch --unshallow'),
  REPOSITORY_PARTIAL: row('permanent', 1, 400, 'git fetch --refetch --no-filter'),
  AGENT_UNKNOWN: row('permanent', 1, 400, 'tdf config show'),
  BUNDLE_MISSING: row('permanent', 1, 409, 'tdf submit --help'),
  BUNDLE_MISMATCH: row('permanent', 1, 400, 'tdf submit --help'),
  NOT_FOUND: row('permanent', 3, 404, 'tdf ls --all'),
  AMBIGUOUS: row('permanent', 3, 404, 'tdf ls --all'),
  FORBIDDEN: row('permanent', 4, 403, 'tdf doctor'),
  SETUP_NOT_ALLOWED: row('permanent', 4, 403, 'tdf submit --help'),
  WRONG_STATE: row('permanent', 5, 409, 'tdf show {task}'),
  IDEMPOTENCY_CONFLICT: row('permanent', 5, 409, 'tdf ls --all'),
  NO_RESULT: row('permanent', 5, 409, 'tdf show {task}'),
  GIT_TOO_OLD: row('permanent', 1, 501, 'git --version'),
  APPLY_CONFLICT: row('permanent', 5, 409, 'tdf pull {task}'),
  SECRET_INVALID: row('permanent', 2, 400, 'tdf secret set --help'),
  PUSH_NOWHERE: row('permanent', 2, 400, 'tdf push --help'),
  PUSH_FAILED: row('permanent', 1, 502, 'tdf push {task}'),
  TOO_LARGE: row('permanent', 1, 413, 'tdf config show'),
  UNSUPPORTED_MEDIA: row('permanent', 1, 415, 'tdf --help'),
  UNAUTHORIZED: row('permanent', 4, 401, 'tdf doctor'),
  TOO_MANY_REQUESTS: row('wait', 75, 429, 'tdf daemon status'),
  // The place it runs in
  DAEMON_UNREACHABLE: row('transient', 69, 503, 'tdf daemon start'),
  DAEMON_RUNNING: row('permanent', 75, 409, 'tdf daemon status'),
  DAEMON_STOPPING: row('wait', 75, 503, 'tdf daemon status'),
  TAKEOVER: row('wait', 75, 503, 'tdf cluster ls'),
  VERSION_SKEW: row('permanent', 1, 500, 'tdf daemon stop'),
  TEMPLATE_INVALID: row('permanent', 78, 400, 'tdf submit --help'),
  CONFIG_INVALID: row('permanent', 78, 400, 'tdf config check'),
  PLACE_UNTRUSTED: row('permanent', 78, 500, 'tdf config path'),
  STATE_LOCKED: row('permanent', 75, 409, 'tdf daemon status'),
  STATE_CORRUPT: row('permanent', 78, 500, 'tdf db check'),
  STATE_NEWER: row('permanent', 78, 500, 'tdf version'),
  STATE_FOREIGN: row('permanent', 78, 409, 'tdf daemon adopt'),
  STATE_ELSEWHERE: row('permanent', 78, 409, 'tdf config show'),
  STATE_UNWRITABLE: row('permanent', 78, 500, 'tdf doctor'),
  OUTPUT_FAILED: row('permanent', 74, 500, 'tdf ls'),
  DISK_FULL: row('wait', 75, 503, 'tdf doctor'),
  DISK_LOW: row('wait', 75, 503, 'tdf doctor'),
  STORE_AWAY: row('wait', 75, 503, 'tdf daemon status'),
  FENCED: row('permanent', 76, 503, 'tdf cluster ls'),
  BACKUP_FAILED: row('transient', 1, 500, 'tdf daemon status'),
  PORT_TAKEN: row('permanent', 78, 409, 'tdf config show'),
  SERVICE_FAILED: row('permanent', 1, 500, 'systemctl status tdfd'),
  WAIT_TIMEOUT: row('wait', 124, 408, 'tdf wait {task}'),
  INTERRUPTED: row('wait', 130, 499, 'tdf ls'),
  // Nodes and placement
  QUEUE_TIMEOUT: row('permanent', 12, 500, 'tdf why {task}'),
  NODE_UNKNOWN: row('permanent', 1, 400, 'tdf node ls'),
  NODE_UNREACHABLE: row('wait', 1, 502, 'tdf node show {node}'),
  NODE_KEY_MISMATCH: row('wait', 4, 502, 'tdf node show {node}'),
  SSH_UNUSABLE: row('wait', 78, 500, 'tdf doctor'),
  NODE_SETUP_FAILED: row('wait', 1, 502, 'tdf node show {node}'),
  AGENT_NEWER: row('wait', 78, 502, 'tdf version'),
  NODE_LOST: row('permanent', 1, 502, 'tdf node show {node}'),
  NODE_REPLACED: row('permanent', 1, 502, 'tdf node show {node}'),
  NODE_FAILED: row('permanent', 1, 502, 'tdf node show {node}'),
  PLACEMENT_LOST: row('transient', 1, 409, 'tdf why {task}'),
  CAPACITY: row('wait', 75, 503, 'tdf why {task}'),
  // Who makes the machines
  PROVIDER_AUTH: row('wait', 4, 502, 'tdf config show'),
  PROVIDER_LIMIT: row('wait', 75, 503, 'tdf node ls'),
  PROVIDER_UNAVAILABLE: row('wait', 75, 503, 'tdf daemon status'),
  PROVIDER_REFUSED: row('permanent', 1, 502, 'tdf config show'),
  // The agent of a node
  AGENT_PROTOCOL: row('transient', 1, 502, 'tdf node show {node}'),
  AGENT_REFUSED: row('permanent', 1, 502, 'tdf logs {task}'),
  AGENT_BUSY: row('transient', 1, 503, 'tdf node show {node}'),
  WORKSPACE_FAILED: row('permanent', 1, 502, 'tdf logs {task} --failed'),
  WORKSPACE_GONE: row('permanent', 1, 502, 'tdf show {task}'),
  SANDBOX_UNAVAILABLE: row('permanent', 1, 502, 'tdf doctor'),
  CANNOT_START: row('permanent', 1, 502, 'tdf show {task}'),
  AGENT_AUTH: row('permanent', 10, 500, 'tdf doctor'),
  USAGE_LIMIT: row('permanent', 10, 500, 'tdf retry {task} --resume'),
  BUDGET: row('permanent', 10, 500, 'tdf show {task}'),
  AGENT_FAILED: row('permanent', 10, 500, 'tdf logs {task} --failed'),
  IDLE_TIMEOUT: row('permanent', 12, 500, 'tdf logs {task} --failed'),
  EXECUTION_TIMEOUT: row('permanent', 12, 500, 'tdf logs {task} --failed'),
  PR_NOT_GREEN: row('permanent', 10, 500, 'tdf pr show {task}'),
  CHECK_FAILED: row('permanent', 10, 500, 'tdf logs {task} --failed'),
  STEP_DEADLINE: row('permanent', 12, 500, 'tdf show {task}'),
  STEP_UNKNOWN: row('wait', 1, 500, 'tdf version'),
  DEPENDENCY_FAILED: row('permanent', 11, 409, 'tdf retry {task}'),
  CANCELLED: row('permanent', 11, 409, 'tdf retry {task}'),
  // Bringing the work home
  SALVAGE_FAILED: row('transient', 1, 502, 'tdf show {task}'),
  RESULT_BROKEN: row('transient', 1, 502, 'tdf show {task}'),
  // Everything else
  FORGE_UNAVAILABLE: row('wait', 75, 503, 'tdf why {task}'),
  NOTIFY_FAILED: row('wait', 1, 502, 'tdf config show'),
  BUG: row('transient', 70, 500, 'tdf doctor'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorDetails {
  /** Replaces the row's hint; like it, a command that can be pasted. */
  hint?: string
  /** The field of a request that is wrong. */
  field?: string
  /** For class *wait* and for `Retry-After`: when to come back, in ms from now. */
  retryAfterMs?: number
  cause?: unknown
}

export class TdfError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.name = 'TdfError'
    this.code = code
    this.hint = details.hint ?? ERRORS[code].hint
    this.field = details.field
    this.retryAfterMs = details.retryAfterMs
  }

  get class(): ErrorClass {
    return ERRORS[this.code].class
  }
}

/** No space left on the device, or none of a user's quota (errno(3)). */
const FULL = ['ENOSPC', 'EDQUOT']
const FULL_RETRY_MS = 30_000

/** Whatever was thrown, as one of ours. What has no row is a bug of ours and keeps its cause. */
export function asTdfError(thrown: unknown): TdfError {
  if (thrown instanceof TdfError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  if (thrown instanceof Error && 'code' in thrown && FULL.includes(String(thrown.code))) {
    return new TdfError('DISK_FULL', `a disk is full: ${message}`, { cause: thrown, retryAfterMs: FULL_RETRY_MS })
  }
  return new TdfError('BUG', message, { cause: thrown })
}

/** The hint with nothing left open in it: where no task or node is known, the list of them is the next command. */
export function shownHint({ hint }: Pick<TdfError, 'hint'>): string {
  if (hint.includes('{task}')) return 'tdf ls --all'
  return hint.includes('{node}') ? 'tdf node ls' : hint
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}
