/** Text in a room of so many columns. */
import { widthOf } from './width.ts'

/** To at most `room` columns, with an ellipsis where something is missing. */
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
