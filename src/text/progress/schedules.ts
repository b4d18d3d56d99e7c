/** Schedules in words: when one comes, how it goes, and what became of an instant. Pure. */
import { formatDuration, formatDurationShort } from '../../core/duration.ts'
import type { ScheduleJson, ScheduleRunJson } from '../../protocol/upkeep.ts'
import { oneLine } from '../sanitize.ts'
import { localTime } from '../times.ts'

export const whenText = ({ cron, tz }: Pick<ScheduleJson, 'cron' | 'tz'>) => oneLine(`${cron} ${tz}`)

export const nextText = ({ next, state }: Pick<ScheduleJson, 'next' | 'state'>) =>
  next === null ? state : localTime(next)

/** Ends in a row. */
export function streakText(streak: number): string {
  if (streak === 0) return '-'
  return streak > 0 ? `${streak} good` : `${-streak} bad`
}

/** What there is to know of it, beside its name and its runs; null for what says nothing. */
export function scheduleFacts(schedule: ScheduleJson): [string, string | null][] {
  const { state, why, catchUp, overlap, jitterMs, keepGoing, untilGreen, repo, prompt, streak } = schedule
  return [
    ['when', whenText(schedule)],
    ['jitter', jitterMs === 0 ? null : `up to ${formatDuration(jitterMs)}`],
    ['next', nextText(schedule)],
    ['paused', state === 'paused' ? oneLine(why ?? '') : null],
    ['streak', streakText(streak)],
    ['missed', catchUp === 'once' ? 'the latest is made up for' : 'left out'],
    ['overlap', overlap === 'skip' ? 'left out' : 'comes after the one before'],
    ['ends', untilGreen ? 'with the first good run' : null],
    ['failures', keepGoing ? 'goes on' : 'three in a row pause it'],
    ['repository', oneLine(repo)],
    ['prompt', oneLine(prompt)],
  ]
}

/** What came of an instant; `end` is what is said of its task. */
export function runText({ task, status, verdict, note, lateMs }: ScheduleRunJson, end = verdict ?? status): string {
  const what = task === null ? null : `${task} ${end ?? ''}`.trim()
  const late = lateMs === 0 ? null : `${formatDurationShort(lateMs)} late`
  return [what, late, note && oneLine(note)].filter(part => part !== null).join(', ')
}
