/** A task in words, for people. */
import { formatDurationShort } from '../../src/core/duration.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { attemptLines, earlierText } from '../../src/text/attempts.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { ignoredText, leftOutLines, pushText, resultLine, savedText } from '../../src/text/tasks.ts'
import { stateOf as lookOf, type Tone } from '../../src/tui/state/states.ts'
import { type Column, pairs } from '../cli/table.ts'

/** One line that says how it stands: for the end of a wait, and after a change. */
export function taskLine(task: TaskJson): string {
  const took = task.completedAt && task.startedAt ? ` in ${between(task.startedAt, task.completedAt)}` : ''
  // Cleaning up goes on by itself: it is news when it failed.
  const cleanup = task.cleanup === 'failed' ? ', cleanup failed' : ''
  const parts = [`${task.id} ${verdictOf(task)}${took}${cleanup}: ${oneLine(task.title)}`]
  const { result, verdict } = task
  if (result && (result.ahead > 0 || (verdict !== null && verdict !== 'no_change'))) parts.push(`  ${resultLine(task)}`)
  if (result && result.ahead > 0) parts.push(`  see it:   tdf diff ${task.id}`)
  const saved = savedText(task)
  if (saved) parts.push(`  beside:   ${saved}`)
  for (const line of leftOutLines(task)) parts.push(`  left out: ${line}`)
  const ignored = ignoredText(task)
  if (ignored) parts.push(`  note:     ${ignored}`)
  if (task.push) parts.push(`  branch:   ${pushText(task.push)}`)
  if (task.push?.state === 'failed') parts.push(`  next:     tdf push ${task.id}`)
  if (task.error) parts.push(`  because:  ${oneLine(task.error.message)}`, `  next:     ${oneLine(task.error.hint)}`)
  const earlier = earlierText(task)
  if (earlier) parts.push(`  earlier:  ${earlier}`)
  return parts.join('\n')
}

/** Its verdict once it is over, else its status, and in what step it is. */
export function stateOf(task: TaskJson): string {
  const { verdict, step, cleanup } = task
  const isOpen = verdict !== null && (step === 'cleanup' || cleanup === 'failed')
  return isOpen ? `${verdictOf(task)}, cleanup ${cleanup ?? 'pending'}` : verdictOf(task)
}

const verdictOf = ({ status, verdict }: TaskJson) =>
  verdict === null || verdict === 'cancelled' ? status : `${status} (${verdict})`

export const toneOf = (task: TaskJson): Tone => lookOf(task).tone

const labelsOf = ({ labels }: TaskJson) => Object.entries(labels).map(entry => entry.join('='))

export const taskColumns = (now: number): readonly Column<TaskJson>[] => [
  { title: 'ID', of: task => task.id },
  { title: 'STATUS', of: task => task.status, tone: toneOf },
  { title: 'STEP', of: task => task.step ?? task.verdict ?? '-', tone: toneOf },
  { title: 'AGE', of: task => since(task.createdAt, now), sortBy: task => now - Date.parse(task.createdAt) },
  { title: 'NODE', of: task => oneLine(task.node?.name ?? '-'), spare: true },
  { title: 'AGENT', of: task => oneLine(task.agent), wide: true },
  { title: 'TRY', of: task => String(task.attempt), wide: true },
  { title: 'COST', of: ({ totalUsage }) => costText(totalUsage), wide: true },
  {
    title: 'MACHINE',
    of: ({ machineCost }) => (machineCost === null ? '-' : `€${machineCost.toFixed(2)}`),
    wide: true,
  },
  {
    title: 'LABELS',
    of: task => oneLine(labelsOf(task).join(',')) || '-',
    wide: true,
  },
  { title: 'BRANCH', of: task => oneLine(task.result?.branch ?? '-'), wide: true },
  { title: 'SUBMITTED', of: task => task.createdAt, wide: true },
  { title: 'WAITING FOR', of: task => oneLine(task.waitingFor ?? '-'), wide: true },
  { title: 'TITLE', of: task => oneLine(task.title), flexible: true },
]

/** Everything about one task, a fact a line. What is not known has no line. */
export function taskDetails(task: TaskJson, now: number): string {
  const { result, error, node, session, usage, repo } = task
  return pairs([
    ['task', task.id],
    ['title', oneLine(task.title)],
    ['status', stateOf(task)],
    ['step', task.step && `${task.step}, for ${since(task.stepEnteredAt, now)}`],
    ['waiting for', task.waitingFor && oneLine(task.waitingFor)],
    ['next look', task.wakeAt && until(task.wakeAt, now)],
    ['parked until', task.parkedUntil],
    ['attempt', task.attempt > 1 ? attemptText(task) : null],
    ['attempts', attemptLines(task)],
    ['earlier', earlierText(task)],
    [
      'agent',
      oneLine([task.agent, session?.agentVersion, session?.model && `(${session.model})`].filter(Boolean).join(' ')),
    ],
    ['repository', oneLine(`${repo.url}${repo.ref ? ` at ${repo.ref}` : ''}`)],
    ['base', repo.baseCommit?.slice(0, 12)],
    ['node', node && oneLine(`${node.name} (${node.provider}${node.size ? `, ${node.size}` : ''})`)],
    ['workspace', task.workspace && `${task.workspace.id} (${task.workspace.status})`],
    ['session', session && `${session.id} (${session.status}${exitText(session)})`],
    ['labels', labelsOf(task).map(oneLine).join(', ')],
    ['result', result && resultLine(task)],
    ['beside it', savedText(task)],
    ['left out', leftOutLines(task).join('\n') || null],
    ['ignored', ignoredText(task)],
    ['push', task.push && pushText(task.push)],
    ['check', result?.check && `${oneLine(result.check.command)} (exit ${result.check.exitCode ?? 'none'})`],
    ['usage', usage && usageText(usage)],
    ['in all', task.attempt > 1 && task.totalUsage ? usageText(task.totalUsage) : null],
    ['machine', task.machineCost !== null ? `€${task.machineCost.toFixed(4)}` : null],
    ['submitted', `${task.createdAt} (${since(task.createdAt, now)} ago)`],
    ['took', task.startedAt && task.completedAt && between(task.startedAt, task.completedAt)],
    ['summary', result?.summary && sanitize(result.summary).trim()],
    ['error', error && `${sanitize(error.message).trim()} [${error.code}]`],
    ['next', error ? oneLine(error.hint) : task.push?.state === 'failed' ? `tdf push ${task.id}` : null],
  ])
}

function attemptText({ attempt, continued }: TaskJson): string {
  if (continued === null) return String(attempt)
  return `${attempt}, goes on from attempt ${continued.of} with its ${continued.resumed}`
}

function exitText({ exitCode, signal }: NonNullable<TaskJson['session']>): string {
  if (signal !== null) return `, ended by ${signal}`
  return exitCode === null ? '' : `, exit ${exitCode}`
}

export function since(at: string | null, now: number): string {
  return at === null ? '-' : formatDurationShort(now - Date.parse(at))
}

function until(at: string, now: number): string {
  const ms = Date.parse(at) - now
  return ms > 0 ? `in ${formatDurationShort(ms)}` : 'now'
}

export function between(from: string, to: string): string {
  return formatDurationShort(Date.parse(to) - Date.parse(from))
}

/** What `ls` prints when there is nothing to list. */
export const NO_TASKS = 'no tasks; hand one over with: tdf submit "what to do"'

function costText(usage: TaskJson['usage']): string {
  return usage === null || usage.costUsd === null ? '-' : `$${usage.costUsd.toFixed(2)}`
}

function usageText({ inputTokens, outputTokens, costUsd }: NonNullable<TaskJson['usage']>): string {
  const tokens = `${inputTokens} tokens in, ${outputTokens} out`
  return costUsd === null ? tokens : `${tokens}, $${costUsd.toFixed(2)}`
}
