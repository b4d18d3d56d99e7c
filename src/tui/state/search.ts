/** `/` in a text: the hits of a search in a pane, and the view moved to them. */
import { paneHeight, paneLines, startsAtTop } from '../view/pane.ts'
import { type Model, NO_SEARCH } from './model.ts'

export interface Hits {
  /** Places of lines, from the top. */
  lines: readonly number[]
  /** Which of them one is at, from 0; -1 for none. */
  at: number
}

/** Small letters stand for both, a capital for itself. */
function folded(text: string, wanted: string): string {
  return wanted === wanted.toLowerCase() ? text.toLowerCase() : text
}

export function hitsOf(model: Model): Hits {
  const { text, line } = model.search
  if (text === '') return { lines: [], at: -1 }
  const lines = paneLines(model).flatMap((one, index) => (folded(one, text).includes(text) ? [index] : []))
  return { lines, at: line === null ? -1 : lines.indexOf(line) }
}

/** A line in pieces, every other one of which is a hit. */
export function cutAtHits(line: string, wanted: string): string[] {
  const pieces: string[] = []
  const among = folded(line, wanted)
  // Folding may change how long a text is; then nothing is marked in it.
  if (wanted === '' || among.length !== line.length) return [line]
  let from = 0
  for (let at = among.indexOf(wanted); at >= 0; at = among.indexOf(wanted, from)) {
    pieces.push(line.slice(from, at), line.slice(at, at + wanted.length))
    from = at + wanted.length
  }
  return [...pieces, line.slice(from)]
}

/** From where one looks: what is read from its end upwards, what is read from its beginning downwards. */
export function searched(model: Model, text: string): Model {
  if (text === '') return { ...model, search: NO_SEARCH }
  const next = { ...model, search: { text, line: null } }
  const { lines } = hitsOf(next)
  const isDown = startsAtTop(model)
  const here = isDown ? model.back : paneLines(model).length - 1 - model.back
  const near = isDown ? lines.find(line => line >= here) : lines.findLast(line => line <= here)
  return shown(next, near ?? (isDown ? lines[0] : lines.at(-1)))
}

/** The hit below or above the one that one is at; behind the last comes the first again. */
export function nextHit(model: Model, by: 1 | -1): Model {
  const { lines, at } = hitsOf(model)
  if (at < 0) return searched(model, model.search.text)
  return shown(model, lines[(at + by + lines.length) % lines.length])
}

/** With the line in the middle of the pane, or as its last one where lines are wrapped. */
function shown(model: Model, line: number | undefined): Model {
  if (line === undefined) return model
  const [height, length] = [paneHeight(model), paneLines(model).length]
  const below = model.isWrapped ? 0 : Math.floor(height / 2)
  const end = Math.min(Math.max(line + 1 + below, height), length)
  const back = startsAtTop(model) ? end - height : length - end
  return { ...model, back: Math.max(back, 0), search: { ...model.search, line } }
}
