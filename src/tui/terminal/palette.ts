/** The colours of the dashboard, for a dark and for a light background. */
import type { Tone } from '../state/states.ts'

/** As Ink names them; undefined is the terminal's own colour. */
export type Palette = Readonly<Record<Tone, string | undefined>>

export type Theme = 'auto' | 'dark' | 'light'

/** The sixteen colours that every theme of a terminal has. */
const DARK: Palette = { good: 'green', bad: 'red', busy: 'cyan', wait: 'yellow', you: 'magenta', quiet: 'gray' }

/** Of the 256 colours, since yellow, cyan and gray of the sixteen are hard to read on white. */
const LIGHT: Palette = {
  good: 'ansi256(28)',
  bad: 'ansi256(160)',
  busy: 'ansi256(25)',
  wait: 'ansi256(130)',
  you: 'ansi256(127)',
  quiet: 'ansi256(241)',
}

const NONE: Palette = {
  good: undefined,
  bad: undefined,
  busy: undefined,
  wait: undefined,
  you: undefined,
  quiet: undefined,
}

/** Which of the sixteen colours are light, by their numbers. */
const LIGHT_PAPERS = ['7', '15']

/** `colorFgBg`: the variable COLORFGBG, where the background comes last, as in `0;15`. */
export function paletteOf(theme: Theme, hasColour: boolean, colorFgBg: string | undefined): Palette {
  if (!hasColour) return NONE
  if (theme !== 'auto') return theme === 'light' ? LIGHT : DARK
  return LIGHT_PAPERS.includes(colorFgBg?.split(';').at(-1) ?? '') ? LIGHT : DARK
}
