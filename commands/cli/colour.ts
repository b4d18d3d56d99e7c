/**
 * Colour, the third cue after words and symbols. Decided once for a stream: by `--color`, else by TDF_COLOR, NO_COLOR,
 * FORCE_COLOR, and at last by what the stream is. Put on text that is harmless already, since cleaning takes it away.
 */
import { TdfError } from '../../src/core/errors.ts'
import type { Tone } from '../../src/tui/state/states.ts'

export const COLOUR_WHEN = ['auto', 'always', 'never'] as const
export type ColourWhen = (typeof COLOUR_WHEN)[number]

/** Colours a piece of text; returns it unchanged where colour is off. */
export type Paint = (text: string, tone: Tone | 'bold' | undefined) => string

/** The sixteen colours that every theme has. */
const CODES: Record<Tone | 'bold', number> = { bad: 31, good: 32, wait: 33, you: 35, busy: 36, quiet: 90, bold: 1 }

const SYMBOLS: Record<string, Tone> = { '✓': 'good', '✗': 'bad', '●': 'busy', '=': 'wait' }

const coloured: Paint = (text, tone) => {
  // What fills a column stays as it is.
  const inner = text.trimEnd()
  return tone === undefined || inner === '' ? text : `\x1b[${CODES[tone]}m${inner}\x1b[0m${text.slice(inner.length)}`
}

/** What the command line and the environment say about colour. */
export interface ColourSettings {
  colour: ColourWhen | undefined
  env: NodeJS.ProcessEnv
}

/** Undefined where there is none. */
export function paintOf(cli: ColourSettings, stream: NodeJS.WriteStream): Paint | undefined {
  return hasColour(cli, stream.isTTY === true) ? coloured : undefined
}

/** Throws USAGE for a TDF_COLOR that is none. */
export function hasColour({ colour, env }: ColourSettings, isTerminal: boolean): boolean {
  const when = colour ?? colourSetting(env)
  // A terminal without a name is not known to understand anything.
  return when === 'auto' ? isTerminal && Boolean(env.TERM) && env.TERM !== 'dumb' : when === 'always'
}

function colourSetting({ TDF_COLOR, NO_COLOR, FORCE_COLOR }: NodeJS.ProcessEnv): ColourWhen {
  if (TDF_COLOR) {
    const own = COLOUR_WHEN.find(name => name === TDF_COLOR)
    if (own) return own
    const message = `TDF_COLOR: "${TDF_COLOR}" is none of ${COLOUR_WHEN.join(', ')}`
    throw new TdfError('USAGE', message, { hint: 'export TDF_COLOR=auto' })
  }
  if (NO_COLOR) return 'never'
  if (!FORCE_COLOR) return 'auto'
  return FORCE_COLOR === '0' || FORCE_COLOR === 'false' ? 'never' : 'always'
}

/** A line that is coloured by its symbol, at its beginning or after an id. */
export function tinted(line: string, paint: Paint | undefined): string {
  if (!paint) return line
  return line.replace(/^((?:\S+ +)?)([✓✗●=])(?= )/, (_, before: string, symbol: string) => {
    return before + paint(symbol, SYMBOLS[symbol])
  })
}

/** Facts below each other: the names stand back. What goes on under its beginning has no name. */
export function paintedFacts(text: string, paint: Paint | undefined, tone: Tone | undefined): string {
  if (!paint) return text
  return text.replace(/^([a-z][a-z ]*?)( {2,})(.*)$/gm, (_, name: string, gap: string, value: string) => {
    const own = name === 'status' ? tone : name === 'error' ? 'bad' : undefined
    return paint(name, 'quiet') + gap + paint(value, own)
  })
}

/** A text with a failure card in it: the output of what failed stands back, so that title and command are seen. */
export function paintedCard(text: string, paint: Paint | undefined): string {
  if (!paint) return text
  return text
    .replace(/^( *)(✗ .*)$/gm, (_, before: string, title: string) => before + paint(title, 'bad'))
    .replace(/^( *)(│ .*)$/gm, (_, before: string, line: string) => before + paint(line, 'quiet'))
}

const DIFF: Record<string, Tone> = { '+': 'good', '-': 'bad', '@': 'busy', d: 'quiet', i: 'quiet' }

/** A patch as git shows it. */
export function paintedDiff(text: string, paint: Paint | undefined): string {
  if (!paint) return text
  return text
    .split('\n')
    .map(line => paint(line, /^(\+\+\+|---) /.test(line) ? 'bold' : DIFF[line[0] ?? '']))
    .join('\n')
}
