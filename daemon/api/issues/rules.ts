/** What follows from what a tracker shows of an issue. Pure. */
import type { SourceConfig } from '../../../src/config/schema/config.ts'
import { isOver, type Task } from '../../../src/core/task.ts'
import type { IssueRow, IssueState } from '../../../src/store/intake/issues.ts'
import { issueWaits } from '../../../src/text/progress/issues.ts'
import type { Labelling, ListedIssue } from './trackers/tracker.ts'

/** Whether it has to be asked who set the label: it is new, something of it has changed, or it is there again. */
export function isChanged(row: IssueRow | undefined, { stamp }: ListedIssue): boolean {
  return row === undefined || row.stamp !== stamp || row.state === 'gone'
}

export interface Seen {
  row: IssueRow | undefined
  issue: ListedIssue
  /** Null: nobody has set it. */
  labelling: Labelling | null
  /** The task that it became last; undefined: none, or one that was removed. */
  task: Task | undefined
  now: number
}

type Named = Pick<SourceConfig, 'name' | 'project' | 'from'> & { identity: string }

/** The row of an issue in the list of its tracker. The same labelling is never answered twice. */
export function rowOfListed(source: Named, { row, issue, labelling, task, now }: Seen): IssueRow {
  const shown = { title: issue.title, url: issue.url, stamp: issue.stamp, updatedAt: now }
  const event = labelling?.event ?? nextEvent(row)
  const labelledBy = labelling?.by ?? null
  const why = labelling === null ? issueWaits.unnamed() : refusal(source, labelling)
  if (row && row.event === event) return { ...row, ...shown, ...again(row, why, task) }
  const fresh = {
    ...{ source: source.name, identity: source.identity, issue: issue.id, ...shown, event, labelledBy, since: now },
    ...{ task: row?.task ?? null, attempt: row?.attempt ?? null, owed: row?.owed ?? null },
  }
  if (why !== null) return { ...fresh, state: 'ignored', reason: why }
  // It has not begun: what it will be told is what the issue says.
  if (row?.state === 'taken' && task?.status === 'queued') return { ...fresh, state: 'taken', reason: null }
  return { ...fresh, state: 'waiting', reason: null }
}

/** Of a tracker that names no act of labelling, it is the next one when the label was gone before. */
function nextEvent(row: IssueRow | undefined): string {
  if (row === undefined) return '1'
  return row.state === 'gone' ? String(Number(row.event) + 1) : row.event
}

/** The label was set once, and the issue is in the list as before, or again: it was opened again. */
function again(
  row: IssueRow,
  why: string | null,
  task: Task | undefined,
): { state: IssueState; reason: string | null } {
  if (row.state === 'ignored')
    return why === null ? { state: 'waiting', reason: null } : { state: 'ignored', reason: why }
  if (row.state !== 'gone') return { state: row.state, reason: row.reason }
  if (row.task === null) return { state: why === null ? 'waiting' : 'ignored', reason: why }
  // Its task was cancelled before it had begun, since the issue was closed.
  const isUndone = task?.verdict === 'cancelled' && task.startedAt === null && why === null
  return isUndone ? { state: 'waiting', reason: null } : { state: 'taken', reason: null }
}

/** Null: whoever set the label may. */
function refusal({ from, project }: Pick<Named, 'from' | 'project'>, { by, isMember }: Labelling): string | null {
  if (by === null) return isMember ? null : issueWaits.unnamed()
  if (from.some(name => name.toLowerCase() === by.toLowerCase())) return null
  if (!from.includes('members')) return issueWaits.notNamed(by)
  return isMember ? null : issueWaits.outsider(by, project)
}

export interface Gone {
  row: IssueRow
  cancel: boolean
}

/** The row of an issue that is closed, or has lost its label, and whether its task ends by that. */
export function rowOfGone(
  { onClose }: Pick<SourceConfig, 'onClose'>,
  { row, task, now }: Pick<Seen, 'task' | 'now'> & { row: IssueRow },
): Gone {
  const gone = { ...row, state: 'gone' as const, stamp: null, updatedAt: now }
  const isLive = row.state === 'taken' && task !== undefined && !isOver(task)
  if (!isLive) return { row: { ...gone, reason: issueWaits.closed() }, cancel: false }
  const cancel = task.status === 'queued' || onClose === 'cancel'
  return { row: { ...gone, reason: cancel ? issueWaits.cancelled() : issueWaits.goesOn() }, cancel }
}
