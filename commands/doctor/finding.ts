/** How a check says what it saw. */
import type { FindingJson } from '../../src/protocol/control.ts'
import { quoted } from '../words.ts'

export const ok = (check: string, message: string): FindingJson => ({ check, state: 'ok', message, hint: null })

/** `hint` is a command that mends it, or shows more. */
export function finding(check: string, state: 'warn' | 'fail', message: string, hint: string): FindingJson {
  return { check, state, message, hint }
}

/** `chmod 700 FOLDER`, as a shell takes it. */
export const shellLine = (...words: string[]) => words.map(quoted).join(' ')
