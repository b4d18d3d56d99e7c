/** What the API says when it says no, as one of ours. Classified by its code; by its status only where there is none. */
import { type ErrorCode, TdfError } from '../../core/errors.ts'

export interface ApiFault {
  status: number
  /** The API's own code; null when the answer was not the API's (a proxy's page, a cut connection). */
  apiCode: string | null
  message: string
  correlationId: string | null
}

/** `status` is 0 when no answer came: then what was asked for may have been done all the same. */
export class HetznerError extends TdfError {
  readonly status: number
  readonly apiCode: string | null
  readonly correlationId: string | null

  constructor(call: string, fault: ApiFault, details: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(classify(fault), describe(call, fault), details)
    this.name = 'HetznerError'
    this.status = fault.status
    this.apiCode = fault.apiCode
    this.correlationId = fault.correlationId
  }

  /** No answer, or one from 500 on: a create may have been done. */
  get isOutcomeUnknown(): boolean {
    return this.status === 0 || this.status >= 500
  }
}

/** Codes of the API reference and of hcloud-go's error.go that mean something else than their status class. */
const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  unauthorized: 'PROVIDER_AUTH',
  token_readonly: 'PROVIDER_AUTH',
  forbidden: 'PROVIDER_AUTH',
  resource_limit_exceeded: 'PROVIDER_LIMIT',
  server_limit_exceeded: 'PROVIDER_LIMIT',
  resource_unavailable: 'CAPACITY',
  placement_error: 'CAPACITY',
  rate_limit_exceeded: 'PROVIDER_UNAVAILABLE',
  conflict: 'PROVIDER_UNAVAILABLE',
  locked: 'PROVIDER_UNAVAILABLE',
  maintenance: 'PROVIDER_UNAVAILABLE',
  service_error: 'PROVIDER_UNAVAILABLE',
}

function classify({ status, apiCode, message }: ApiFault): ErrorCode {
  // The one place where only the message tells: a type that this location does not offer is answered as wrong input.
  if (apiCode === 'invalid_input' && /unsupported location for server type/i.test(message)) return 'CAPACITY'
  const code = apiCode === null ? undefined : BY_CODE[apiCode]
  if (code) return code
  return status === 0 || status >= 500 || status === 429 ? 'PROVIDER_UNAVAILABLE' : 'PROVIDER_REFUSED'
}

function describe(call: string, { status, apiCode, message, correlationId }: ApiFault): string {
  const id = correlationId === null ? '' : ` (correlation id ${correlationId})`
  if (status === 0) return `Hetzner did not answer to ${call}: ${message}`
  return `Hetzner answered ${status}${apiCode ? ` ${apiCode}` : ''} to ${call}: ${message}${id}`
}
