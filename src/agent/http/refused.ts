/** Every error in one shape: {error: {code, message, field?}}. */
import { asTdfError } from '../../errors.ts'
import { Refusal } from '../refusal.ts'

/** A body that does not parse is the caller's mistake; what has no code is ours. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const known = asTdfError(error)
  if (known.code === 'BAD_REQUEST') return new Refusal('bad_request', known.message, known.field)
  return new Refusal('internal', known.message)
}

export function errorResponse({ code, message, field, status }: Refusal): Response {
  const error = field === undefined ? { code, message } : { code, message, field }
  return Response.json({ error }, { status })
}
