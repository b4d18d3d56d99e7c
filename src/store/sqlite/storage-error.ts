/** What SQLite says about the place that it writes to, as errors of ours. */
import { asTdfError, TdfError } from '../../core/errors.ts'

const UNWRITABLE = ['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_READONLY', 'SQLITE_CANTOPEN']

/** SQLITE_FULL, I/O errors and locks are about the place, not about what was written. */
export function storageError(error: unknown): TdfError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
    return new TdfError('DISK_FULL', `the state database cannot be written (${code}): nothing was stored`, {
      cause: error,
      retryAfterMs: 30_000,
    })
  }
  if (UNWRITABLE.some(prefix => code.startsWith(prefix))) {
    const message = `the state database cannot be written (${code}): nothing was stored`
    return new TdfError('STATE_UNWRITABLE', message, { cause: error, retryAfterMs: 5_000 })
  }
  return asTdfError(error)
}
