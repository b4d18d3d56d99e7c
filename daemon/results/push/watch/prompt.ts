/** What an agent is told of a pull request that is red. What others wrote is marked line by line. */
import { watchPrompt } from '../../../../src/text/progress/pull-requests.ts'
import type { Red } from './rules.ts'

const LOG_LINES_MAX = 200
const LOG_CHARACTERS_MAX = 24 * 1024
const THREAD_CHARACTERS_MAX = 8 * 1024
const WHOLE_CHARACTERS_MAX = 240 * 1024
/** Of all that fail, so many with their logs. */
export const LOGS_MAX = 10

export interface Told {
  url: string
  round: number
  rounds: number
  red: Red
  /** Names of checks that the agent was given the last time. */
  still: readonly string[]
  /** By check, the end of its log. */
  logs: ReadonlyMap<string, string>
  /** Files that a merge with the base left in conflict; null where nothing was merged. */
  merged: { base: string; files: readonly string[] } | null
}

export function promptFor({ url, round, rounds, red, still, logs, merged }: Told): string {
  const parts = [watchPrompt.head(plainLine(url), round, rounds)]
  for (const { name, text, url: at } of red.failing) {
    const log = logs.get(name) ?? text
    const heading = watchPrompt.check(plainLine(name), still.includes(name), at === null ? null : plainLine(at))
    parts.push(log ? `${heading}\n\n${quoted(endOf(log))}` : heading)
  }
  if (red.threads.length > 0) {
    parts.push(watchPrompt.threads())
    for (const { path, line, comments } of red.threads) {
      const said = comments.map(({ author, text }) => `@${plainLine(author)}:\n${text.slice(0, THREAD_CHARACTERS_MAX)}`)
      parts.push(`${watchPrompt.place(path === null ? null : plainLine(path), line)}\n${quoted(said.join('\n'))}`)
    }
  }
  if (red.isConflict) {
    const files = merged?.files.map(plainLine) ?? []
    parts.push(watchPrompt.conflict(merged === null ? null : plainLine(merged.base), files))
  }
  const tail = watchPrompt.tail()
  return `${parts.join('\n\n').slice(0, WHOLE_CHARACTERS_MAX)}\n\n${tail}`
}

/** The last lines, without what a terminal obeys. */
export function endOf(log: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of ECMA-48 begin with one
  const clean = log.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/\r\n?/g, '\n')
  return clean.trimEnd().split('\n').slice(-LOG_LINES_MAX).join('\n').slice(-LOG_CHARACTERS_MAX)
}

/** No line of it can be taken for one of ours. */
const quoted = (text: string) =>
  text
    .split('\n')
    .map(line => `> ${line}`)
    .join('\n')

const plainLine = (text: string) => text.replace(/\s+/g, ' ').trim()
