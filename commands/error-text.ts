/** An error as people and scripts see it, on stderr. */
import { shownHint, type TdfError } from '../src/errors.ts'
import { jsonText, sanitize } from '../src/sanitize.ts'
import type { Paint } from './colour.ts'

export function errorText(error: TdfError, isJson: boolean, paint: Paint = text => text): string {
  const { code, message } = error
  const hint = shownHint(error)
  if (isJson) return `${jsonText({ error: { code, message, hint } })}\n`
  const [problem, remedy, name] = [paint('error:', 'bad'), paint('hint:', 'busy'), paint('code:', 'quiet')]
  return `${problem} ${sanitize(message)}\n  ${remedy} ${sanitize(hint)}\n  ${name} ${code}\n`
}
