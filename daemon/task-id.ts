/** Ids of tasks: short enough to type, and different from the first characters on. */
import type { Random } from '../src/world.ts'

/** Crockford's alphabet in small letters: nothing in it is taken for anything else. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LETTERS = ALPHABET.slice(10)
const LENGTH = 10

/** Fifty bits of chance; begins with a letter, so that it is never a number or an option. */
export function freshTaskId(random: Random): string {
  const bytes = random.bytes(LENGTH)
  const rest = [...bytes.subarray(1)].map(byte => ALPHABET[byte % ALPHABET.length])
  return `${LETTERS[(bytes[0] ?? 0) % LETTERS.length]}${rest.join('')}`
}
