/** An error as people and scripts see it, on stderr. */
import { shownHint, type TdfError } from '../src/errors.ts'
import { jsonText, sanitize } from '../src/sanitize.ts'

export function errorText(error: TdfError, isJson: boolean): string {
  const { code, message } = error
  const hint = shownHint(error)
  if (isJson) return `${jsonText({ error: { code, message, hint } })}\n`
  return `error: ${sanitize(message)}\n  hint: ${sanitize(hint)}\n  code: ${code}\n`
}
