/**
 * Secrets taken out of a stream by their value, also where a chunk ends within one. What might be the beginning of a
 * secret is held back until more comes; memory is bounded by the longest secret.
 */

export interface Redactor {
  push(chunk: Buffer): Buffer
  /** What was held back; the stream has ended. */
  rest(): Buffer
}

/** Shorter values are no secrets, and would tear words apart. */
const SECRET_LENGTH_MIN = 8

/** `secrets`: name → value. Values are also found as they are written inside JSON strings. */
export function redactor(secrets: Readonly<Record<string, string>>): Redactor {
  const needles = Object.entries(secrets).flatMap(([name, value]) => {
    if (value.length < SECRET_LENGTH_MIN) return []
    const forms = new Set([value, JSON.stringify(value).slice(1, -1)])
    return [...forms].map(form => ({ value: Buffer.from(form), shown: Buffer.from(`[redacted ${name}]`) }))
  })
  if (needles.length === 0) return { push: chunk => chunk, rest: () => Buffer.alloc(0) }
  // The longest first: one secret may begin with another.
  needles.sort((one, other) => other.value.length - one.value.length)
  let held = Buffer.alloc(0)
  return {
    push: chunk => {
      const text = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const clean = needles.reduce(replaceAll, text)
      const keep = Math.max(0, ...needles.map(({ value }) => beginningAtEnd(clean, value)))
      held = Buffer.from(clean.subarray(clean.length - keep))
      return clean.subarray(0, clean.length - keep)
    },
    rest: () => {
      const last = held
      held = Buffer.alloc(0)
      return last
    },
  }
}

function replaceAll(text: Buffer, { value, shown }: { value: Buffer; shown: Buffer }): Buffer {
  let at = text.indexOf(value)
  if (at < 0) return text
  const parts: Buffer[] = []
  let from = 0
  for (; at >= 0; at = text.indexOf(value, from)) {
    parts.push(text.subarray(from, at), shown)
    from = at + value.length
  }
  return Buffer.concat([...parts, text.subarray(from)])
}

/** How many of the last bytes of `text` are the first ones of `value`, at most all but one. */
function beginningAtEnd(text: Buffer, value: Buffer): number {
  const first = value[0] ?? 0
  const start = Math.max(0, text.length - value.length + 1)
  for (let at = text.indexOf(first, start); at >= 0; at = text.indexOf(first, at + 1)) {
    if (text.subarray(at).equals(value.subarray(0, text.length - at))) return text.length - at
  }
  return 0
}
