/**
 * What is read from the keyboard, as names of keys that `src/core/dashboard-keys.ts` has: what Ink hands on as one input may be
 * several keys, a report of the mouse, a piece of a pasted text, or something that the terminal says of itself.
 */
import type { Key } from 'ink'
import { PASTE } from '../state/prompt.ts'
import { mouseKey } from './pointer.ts'

export type KeyReader = (input: string, key: Key) => string[]

const ESCAPE = '\x1b'
/** Mode 2004 puts these around a text that is pasted. Ink leaves out the escape before them. */
const PASTE_BEGINS = '[200~'
const PASTE_ENDS = '[201~'
/** Of a paste that does not end, what comes after so many characters is left out. */
const PASTE_MAX = 16_384

/** A key that no row of the table has, or something that the terminal says of itself: numbers and one letter at the end. */
const UNKNOWN = /^\[[?>]?\d[\d;:]*[A-Za-z~]$/

const NAMED: readonly [keyof Key, string][] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'esc'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
]

export function createKeyReader(): KeyReader {
  let pasted: string | null = null
  return (input, key) => {
    if (input === PASTE_BEGINS) pasted = ''
    else if (input === PASTE_ENDS) {
      const text = pasted ?? ''
      pasted = null
      return text === '' ? [] : [PASTE + text]
    } else if (pasted === null) return keysOf(input, key)
    else if (key.ctrl && input === 'c') {
      // The end of the paste was lost: it has to be possible to leave.
      pasted = null
      return ['ctrl-c']
    } else pasted = (pasted + textOf(input, key)).slice(0, PASTE_MAX)
    return []
  }
}

/** A piece of a pasted text, without what is none. */
function textOf(input: string, key: Key): string {
  if (key.ctrl || key.escape) return ''
  if (key.return) return '\n'
  if (key.tab) return '  '
  return input
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '  ')
    .replace(/[^\n\P{Cc}]/gu, '')
}

/** What was typed faster than it was read is one key a letter; Alt with a letter is what old terminals make of it: esc and the letter. */
function keysOf(input: string, key: Key): string[] {
  const mouse = mouseKey(input)
  if (mouse !== null) return mouse === '' ? [] : [mouse]
  // Two escapes that were read as one input: what is left of them is the second.
  if (key.escape && input === ESCAPE) return ['esc', 'esc']
  const named = NAMED.find(([flag]) => key[flag])
  if (named) return [named[1]]
  if (key.ctrl) return [`ctrl-${input}`]
  if (UNKNOWN.test(input)) return []
  const letters = [...input.replaceAll('\r\n', '\n')].flatMap(letterKey)
  return key.meta ? ['esc', ...letters] : letters
}

const LETTERS: Record<string, string> = { ' ': 'space', '\t': 'tab', '\r': 'enter', '\n': 'enter' }
const ERASES = ['\b', '\x7f']

function letterKey(letter: string): string[] {
  if (ERASES.includes(letter)) return ['backspace']
  const name = LETTERS[letter]
  if (name !== undefined) return [name]
  if (letter >= ' ') return [letter]
  // Ctrl with a letter is the place of the letter in the alphabet.
  return letter > '\0' && letter < '\x1b' ? [`ctrl-${String.fromCharCode(letter.charCodeAt(0) + 96)}`] : []
}
