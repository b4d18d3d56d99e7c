/** Errors as HTTP answers, in one place. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { asTdfError, ERRORS } from '../../src/errors.ts'
import type { Log } from '../../src/observe/log.ts'
import type { ErrorJson } from '../../src/protocol/control.ts'

export function answerError(log: Log, thrown: Error, c: Context): Response {
  const error = asTdfError(thrown)
  const { status } = ERRORS[error.code]
  if (error.code === 'BUG') log.error({ path: c.req.path, err: error.stack }, 'a request failed')
  if (error.retryAfterMs !== undefined) c.header('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
  const body: ErrorJson = {
    error: {
      code: error.code,
      message: error.message,
      hint: error.hint,
      ...(error.field === undefined ? {} : { field: error.field }),
    },
  }
  return c.json(body, status as ContentfulStatusCode)
}
