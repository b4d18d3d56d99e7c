/** The answer of `tdf why`, for people. */
import { formatDurationShort } from '../src/duration.ts'
import type { WhyJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { pairs, table } from './output.ts'
import { since } from './task-text.ts'

export function whyText(why: WhyJson, now: number): string {
  const facts = pairs([
    ['since', why.since && `${since(why.since, now)} ago`],
    ['next look', why.next && away(why.next, now)],
    ['until', why.until && `${why.until} (${away(why.until, now)})`],
    ['estimate', why.estimate && oneLine(why.estimate)],
    ['to change it', why.command],
  ])
  const nodes = why.nodes.length === 0 ? '' : `\n${table(why.nodes, nodeColumns)}`
  return `${oneLine(why.sentence)}\n${facts === '' ? '' : `\n${facts}`}${nodes}`
}

const nodeColumns = [
  { title: 'NODE', of: ({ name }: WhyJson['nodes'][number]) => oneLine(name) },
  { title: 'WHY NOT', of: ({ reason }: WhyJson['nodes'][number]) => oneLine(reason) },
]

function away(at: string, now: number): string {
  const ms = Date.parse(at) - now
  return ms > 0 ? `in ${formatDurationShort(ms)}` : 'now'
}
