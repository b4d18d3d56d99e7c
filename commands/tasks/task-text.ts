/** A task in words, for people. */
import { formatDurationShort } from '../../src/core/duration.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { agentsText, attemptLines, earlierText } from '../../src/text/attempts.ts'
import type { CardLine } from '../../src/text/failure.ts'
import { pullText } from '../../src/text/progress/pull-requests.ts'
import { raceText } from '../../src/text/progress/races.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { stageName, stageNow, stageOf } from '../../src/text/steps.ts'
import {
  artifactsText,
  fitText,
  ignoredText,
  leftOutLines,
  pushText,
  resultLine,
  savedText,
  scheduleText,
} from '../../src/text/tasks.ts'
import { localTime, withLocalTimes } from '../../src/text/times.ts'
import { stateOf as lookOf, type Tone } from '../../src/tui/state/states.ts'
import { type Column, pairs } from '../cli/table.ts'

/** One line that says how it stands, for the end of a wait and after a change; `card`, where there is one, says why it failed. */
export function taskLine(task: TaskJson, card: readonly CardLine[] = []): string {
  const took = task.completedAt && task.startedAt ? ` in ${between(task.startedAt, task.completedAt)}` : ''
  // Cleaning up goes on by itself: it is news when it failed.
  const cleanup = task.cleanup === 'failed' ? ', cleanup failed' : ''
  const parts = [`${task.id} ${verdictOf(task)}${took}${cleanup}: ${oneLine(task.title)}`]
  const { result, verdict } = task
  if (result && (result.ahead > 0 || (verdict !== null && verdict !== 'no_change'))) parts.push(`  ${resultLine(task)}`)
  if (result && result.ahead > 0) parts.push(`  see it:   tdf diff ${task.id}`)
  const race = raceText(task)
  if (race) parts.push(`  race:     ${race}`)
  const saved = savedText(task)
  if (saved) parts.push(`  beside:   ${saved}`)
  const artifacts = artifactsText(task)
  if (artifacts) parts.push(`  kept:     ${artifacts}`)
  for (const line of leftOutLines(task)) parts.push(`  left out: ${line}`)
  const ignored = ignoredText(task)
  if (ignored) parts.push(`  note:     ${ignored}`)
  const isTold = card.length > 0
  if (task.push && (!isTold || task.push.state !== 'failed')) parts.push(`  branch:   ${pushText(task.push)}`)
  if (task.pr) parts.push(`  pull:     ${pullText(task.pr)}`)
  if (task.push?.state === 'failed' && !isTold) parts.push(`  next:     tdf push ${task.id}`)
  if (task.error && !isTold)
    parts.push(`  because:  ${oneLine(task.error.message)}`, `  next:     ${oneLine(task.error.hint)}`)
  parts.push(...card.map(({ text }) => `  ${text}`))
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
  { title: 'STEP', of: task => stageName(stageOf(task) ?? '-'), tone: toneOf, spare: true },
  { title: 'VERDICT', of: task => task.verdict ?? '-', tone: toneOf },
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
  { title: 'SCHEDULE', of: ({ schedule }) => oneLine(schedule ?? '-'), wide: true },
  { title: 'SCORE', of: ({ score }) => String(score ?? '-'), wide: true },
  { title: 'FIT', of: ({ fit }) => fit?.state ?? '-', wide: true },
  { title: 'SUBMITTED', of: task => localTime(task.createdAt), wide: true },
  { title: 'WAITING FOR', of: task => oneLine(task.waitingFor ?? '-'), wide: true },
  { title: 'TITLE', of: task => oneLine(task.title), flexible: true },
]

/** An older daemon names none. */
const agentLine = (task: TaskJson) => {
  const text = agentsText(task)
  return text && withLocalTimes(oneLine(text))
}

/** Everything about one task, a fact a line. What is not known has no line; `isFailureTold`: a failure card follows. */
export function taskDetails(task: TaskJson, now: number, isFailureTold = false): string {
  const { result, node, session, usage, repo } = task
  const error = isFailureTold ? null : task.error
  const stage = stageOf(task)
  return pairs([
    ['task', task.id],
    ['title', oneLine(task.title)],
    ['prompt', promptText(task)],
    ['status', stateOf(task)],
    ['step', stage && `${stageNow(stage, node?.name ?? null)}, for ${since(task.stepEnteredAt, now)}`],
    ['after', afterText(task)],
    ['group', groupText(task)],
    ['race', raceText(task)],
    ['schedule', task.scheduled ? scheduleText(task.scheduled) : task.schedule],
    ['waiting for', task.waitingFor && withLocalTimes(oneLine(task.waitingFor))],
    ['next look', task.wakeAt && until(task.wakeAt, now)],
    ['parked until', task.parkedUntil && localTime(task.parkedUntil)],
    ['attempt', task.attempt > 1 ? attemptText(task) : null],
    ['attempts', attemptLines(task)],
    ['earlier', earlierText(task)],
    [
      'agent',
      oneLine(
        [session?.agent ?? task.agent, session?.agentVersion, session?.model && `(${session.model})`]
          .filter(Boolean)
          .join(' '),
      ),
    ],
    ['agents', agentLine(task)],
    ['repository', oneLine(`${repo.url}${repo.ref ? ` at ${repo.ref}` : ''}`)],
    ['base', repo.baseCommit?.slice(0, 12)],
    ['node', node && oneLine(`${node.name} (${node.provider}${node.size ? `, ${node.size}` : ''})`)],
    ['workspace', task.workspace && `${task.workspace.id} (${task.workspace.status})`],
    ['session', session && `${session.id} (${session.status}${exitText(session)})`],
    ['labels', labelsOf(task).map(oneLine).join(', ')],
    ['result', result && resultLine(task)],
    ['beside it', savedText(task)],
    ['artifacts', artifactsText(task)],
    [
      'fit',
      task.fit &&
        `${oneLine(fitText(task.fit))} onto ${oneLine(task.fit.onto.replace(/^refs\/heads\//, ''))}, seen ${ago(task.fit.at, now)}`,
    ],
    ['left out', leftOutLines(task).join('\n') || null],
    ['ignored', ignoredText(task)],
    ['push', task.push && pushText(task.push)],
    ['pull request', task.pr && pullText(task.pr)],
    ['check', result?.check && `${oneLine(result.check.command)} (exit ${result.check.exitCode ?? 'none'})`],
    ['usage', usage && usageText(usage)],
    ['in all', task.attempt > 1 && task.totalUsage ? usageText(task.totalUsage) : null],
    ['machine', task.machineCost !== null ? `€${task.machineCost.toFixed(4)}` : null],
    ['submitted', `${localTime(task.createdAt)} (${ago(task.createdAt, now)})`],
    ['took', task.startedAt && task.completedAt && between(task.startedAt, task.completedAt)],
    ['summary', result?.summary && sanitize(result.summary).trim()],
    ['error', error && `${sanitize(error.message).trim()} [${error.code}]`],
    ['next', error ? oneLine(error.hint) : task.push?.state === 'failed' ? `tdf push ${task.id}` : null],
  ])
}

function attemptText({ attempt, continued }: TaskJson): string {
  if (!continued) return String(attempt)
  return `${attempt}, goes on from attempt ${continued.of} with its ${continued.resumed}`
}

/** What it comes after and how that stands; null for a task that comes after no other. An older daemon names none. */
function afterText({ after = [], from = [] }: TaskJson): string | null {
  if (after.length === 0) return null
  const words = after.map(({ id, state }) => `${id} (${state}${from.includes(id) ? ', from its work' : ''})`)
  return words.join(', ')
}

/** An older daemon names no group. */
function groupText({ group }: TaskJson): string | null {
  if (!group) return null
  return oneLine(group.key === null ? group.name : `${group.name} (${group.key.trim()})`)
}

function exitText({ exitCode, signal }: NonNullable<TaskJson['session']>): string {
  if (signal !== null) return `, ended by ${signal}`
  return exitCode === null ? '' : `, exit ${exitCode}`
}

const PROMPT_LINES_MAX = 20

/** Left out where it says no more than the title. */
function promptText({ prompt, title }: TaskJson): string | null {
  const lines = sanitize(prompt).trim().split('\n')
  if (lines.length === 1 && oneLine(prompt) === oneLine(title)) return null
  const more = lines.length - PROMPT_LINES_MAX
  return [...lines.slice(0, PROMPT_LINES_MAX), ...(more > 0 ? [`… and ${more} more lines`] : [])].join('\n')
}

/** `4m ago`; what is not a second old, or in the future by another clock, is `just now`. */
export function ago(at: string, now: number): string {
  const ms = now - Date.parse(at)
  return ms < 1_000 ? 'just now' : `${formatDurationShort(ms)} ago`
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
