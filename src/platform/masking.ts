/** Secrets that no line of a log may show, in any form in which they may stand there. */
import { visible } from '../text/sanitize.ts'

const LIMIT = { secrets: 500, secretLength: 6, formLength: 6 }

const secrets = new Map<string, string[]>()
let anySecret: RegExp | undefined

/**
 * From now on `value` does not pass in any line of any log, nor in base64 or URL-encoded. Of more than 500 the oldest are
 * forgotten; values under 6 characters are not taken, because hiding them would hide half of every line.
 */
export function registerSecret(value: string): void {
  if (value.length < LIMIT.secretLength) return
  secrets.delete(value)
  secrets.set(value, formsOf(value))
  const oldest = secrets.keys().next()
  if (secrets.size > LIMIT.secrets && !oldest.done) secrets.delete(oldest.value)
  anySecret = undefined
}

/** The same text with every registered secret as `[secret]`. */
export function masked(line: string): string {
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
  const forms = [...whole, ...inBase64].filter(form => form.length >= LIMIT.formLength)
  return [...forms, ...forms.map(form => form.replaceAll('+', '-').replaceAll('/', '_'))]
}
