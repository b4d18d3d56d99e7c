/** Text about a task: its push, its result, whether it is over. */
import { formatDurationShort } from '../core/duration.ts'
import { LEFT_OUT } from '../core/saved.ts'
import type { EventJson, TaskJson } from '../protocol/control.ts'
import { oneLine, sanitize } from './sanitize.ts'
import { localTime } from './times.ts'

export function pushText(push: TaskJson['push']): string {
  if (!push) return '-'
  const { state, remote, branch, prUrl, error, pushedCommit } = push
  const to = oneLine(`${branch} to ${remote}`)
  if (state === 'pushed') return `pushed ${to}${prUrl === null ? '' : `, pull request ${oneLine(prUrl)}`}`
  const why = error === null ? '' : `: ${oneLine(error)}`
  const what = pushedCommit === null ? to : `${to} with its pull request`
  return state === 'pending'
    ? `pushing ${what}${error === null ? '' : `, tried again after${why}`}`
    : `not pushed ${what}${why}`
}

export function resultLine({ result, repo }: Pick<TaskJson, 'result' | 'repo'>): string {
  if (!result) return '-'
  if (result.ahead === 0) {
    const isMoved = repo.baseCommit !== null && repo.baseCommit !== result.commit
    return isMoved ? `no commits; ${oneLine(result.branch)} moved back to ${result.commit.slice(0, 12)}` : 'no commits'
  }
  const commits = result.ahead === 1 ? '1 commit' : `${result.ahead} commits`
  const files = result.filesChanged === 1 ? '1 file' : `${result.filesChanged} files`
  const saved = result.salvaged ? ', the last made by tdf from uncommitted work' : ''
  return `${commits} on ${oneLine(result.branch)}: ${files}, +${result.insertions} -${result.deletions}${saved}`
}

type Beside = Pick<TaskJson, 'id' | 'saved' | 'leftOut'>

const SHOWN_MAX = 5

/** What came home beside the branch, and the command that fetches it; null when nothing did. */
export function savedText({ id, saved }: Beside): string | null {
  if (saved.length === 0) return null
  const names = saved.slice(0, SHOWN_MAX).map(({ name, ahead }) => `${oneLine(name)} (${counted(ahead, 'commit')})`)
  return `${names.join(', ')}${more(saved.length)}: tdf pull ${id} --all`
}

/** How many files were kept beside the branch, and the command that lists them; null when none were. */
export function artifactsText({ id, artifacts }: Pick<TaskJson, 'id' | 'artifacts'>): string | null {
  if (artifacts.length === 0) return null
  const bytes = artifacts.reduce((sum, one) => sum + one.bytes, 0)
  return `${counted(artifacts.length, 'file')}, ${sizeText(bytes)}: tdf artifacts ${id}`
}

/** How it fits onto its branch, as it was seen last. */
export function fitText(fit: TaskJson['fit']): string {
  if (!fit) return '-'
  const said = {
    fits: 'fits',
    behind: `moved on (${counted(fit.moved, 'commit')})`,
    conflict: `conflicts in ${fit.files.slice(0, SHOWN_MAX).join(', ')}${more(fit.files.length)}`,
    in: 'is in already',
  }
  return fit.with.length === 0 ? said[fit.state] : `${said[fit.state]}, excludes ${fit.with.join(', ')}`
}

/** What did not come home, or not as it was, each with its reason. */
export function leftOutLines({ leftOut }: Beside): string[] {
  const worth = leftOut.filter(({ reason }) => reason !== LEFT_OUT.ignored.reason)
  const lines = worth.slice(0, SHOWN_MAX).map(({ path, bytes, reason }) => {
    const size = bytes === null ? '' : ` (${sizeText(bytes)})`
    return `${oneLine(path)}${size}: ${oneLine(reason)}`
  })
  return worth.length > SHOWN_MAX ? [...lines, `and ${worth.length - SHOWN_MAX} more`] : lines
}

/** A hint; null when nothing that is ignored was made. */
export function ignoredText({ leftOut }: Beside): string | null {
  const ignored = leftOut.filter(({ reason }) => reason === LEFT_OUT.ignored.reason)
  const folders = ignored.filter(({ path }) => path.endsWith('/')).length
  const files = ignored.length - folders
  const what = [files > 0 && counted(files, 'ignored file'), folders > 0 && counted(folders, 'ignored folder')]
  if (ignored.length === 0) return null
  return `${what.filter(Boolean).join(' and ')} ${ignored.length === 1 ? 'was' : 'were'} not saved`
}

const more = (count: number) => (count > SHOWN_MAX ? ` and ${count - SHOWN_MAX} more` : '')
export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1)
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}

/** What a task runs for: its schedule, the instant that it was planned for, and the next one. */
export function scheduleText({
  name,
  cron,
  tz,
  planned,
  note,
  lateMs,
  state,
  next,
}: NonNullable<TaskJson['scheduled']>): string {
  const what = cron === null ? name : `${name} (${cron} ${tz})`
  const late = lateMs === 0 ? null : `${formatDurationShort(lateMs)} late`
  const run = [planned && `planned for ${localTime(planned)}`, late, note].filter(Boolean).join(', ')
  const after = next === null ? (state === 'gone' ? 'it was removed' : 'it is paused') : `next ${localTime(next)}`
  return oneLine([run === '' ? what : `${what}, ${run}`, after].join('; '))
}

export function needsInput({ step }: TaskJson): boolean {
  return step === 'awaiting_followup'
}

/** Noted in the journal by the daemon. */
const TAKEN = 'task.taken'

/** True when the newest attempt has commits that are nowhere else: never pulled, pushed or applied. `events`: those of the task. */
export function neverTaken(
  { attempt, result, push }: Pick<TaskJson, 'attempt' | 'result' | 'push'>,
  events: readonly EventJson[],
): boolean {
  if (!result || result.ahead === 0 || push?.state === 'pushed') return false
  return !events.some(event => event.type === TAKEN && event.attempt === attempt)
}

/** Data of a task for the agent of another one: each line has a mark, and nothing in it controls a terminal. */
export const quotedLines = (text: string): string =>
  sanitize(text)
    .split('\n')
    .map(line => `| ${line}`)
    .join('\n')

/** The same of a text in a string of JSON. */
export const shortLine = (text: string, charsMax: number): string => oneLine(text).slice(0, charsMax)
