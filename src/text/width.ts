/**
 * How many columns a text takes in a terminal. Printable ASCII, which is most of what there is, is counted here; the rest
 * by string-width, loaded when the first such text comes: its tables of emoji are a third of what `tdf ls` took
 * (a pattern over `\p{RGI_Emoji}` alone is 15 ms).
 */

const PRINTABLE = /^[\x20-\x7e]*$/

let measure: ((text: string) => number) | undefined

export function widthOf(text: string): number {
  if (PRINTABLE.test(text)) return text.length
  // `require` and not `import()`: a table is laid out in one go. The bundler puts it into the program all the same.
  measure ??= (require('string-width') as typeof import('string-width')).default
  return measure(text)
}

/** The text in at most `room` columns, with an ellipsis where something is missing. */
export function shorten(text: string, room: number): string {
  if (widthOf(text) <= room) return text
  let kept = ''
  let used = 1
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += widthOf(segment)
    if (used > room) break
    kept += segment
  }
  return `${kept}…`
}
