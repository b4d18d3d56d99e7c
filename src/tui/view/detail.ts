/** The upper part of an open task: its title, the facts, and the steps with their times. */
import { formatDurationShort } from '../../core/duration.ts'
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import { earlierText } from '../../text/attempts.ts'
import { took } from '../../text/events.ts'
import { isFailedStage } from '../../text/failure.ts'
import { raceText } from '../../text/progress/races.ts'
import { stageName, stageOf, stageTimes } from '../../text/steps.ts'
import { fitText, ignoredText, leftOutLines, pushText, resultLine, savedText } from '../../text/tasks.ts'
import { withLocalTimes } from '../../text/times.ts'
import type { Model, Row } from '../state/model.ts'
import { isEnded, stateOf } from '../state/states.ts'
import { card } from './card.ts'
import { joined, type Line, pad, padLine, rule, type Span } from './line.ts'

/** From this width on the steps stand beside the facts. */
const WIDE = 100
const STEPS_WIDTH = 32
const NAME_WIDTH = 8
/** Also in the smallest window. */
const FACTS_MIN = 4

export function focused({ rows, detail }: Model): Row | undefined {
  return detail ? rows.get(detail.id) : undefined
}

export function head(model: Model): readonly Line[] {
  const { columns, rows } = model.size
  const row = focused(model)
  if (!row) return []
  const most = Math.max(Math.floor(rows / 2) - 3, FACTS_MIN)
  const title = titleRule(row, columns)
  if (columns < WIDE) {
    const facts = factsOf(model, row, columns, most - 1)
    return [title, ...facts, padLine([{ text: ' ' }, ...timeline(model, columns - 1)], columns)]
  }
  const left = factsOf(model, row, columns - STEPS_WIDTH - 2, most)
  const right = steps(model).slice(-most)
  const height = Math.min(Math.max(left.length, right.length), most)
  const lines = Array.from({ length: height }, (_, index) => [
    ...padLine(left[index] ?? [], columns - STEPS_WIDTH - 2),
    { text: '  ' },
    ...padLine(right[index] ?? [], STEPS_WIDTH),
  ])
  return [title, ...lines]
}

export function titleRule({ task }: Row, columns: number): Line {
  return rule([{ text: task.id, isBold: true }, { text: `  ${pad(task.title, 200).trimEnd()}` }], columns)
}

/** At most so many: the state, the card of a failure, and then the rest one below the other. */
function factsOf(model: Model, row: Row, width: number, most: number): Line[] {
  const [state = [], ...rest] = namedFacts(model, row, width)
  const failure = card(row.task, model.detail, most - 1).map(line => padLine([{ text: ' ' }, ...line], width))
  return [state, ...failure, ...rest].slice(0, most)
}

/** What is not known has no line. */
function namedFacts(model: Model, row: Row, width: number): Line[] {
  const { task } = row
  const { result, usage, node, push } = task
  const why = model.detail?.why ?? null
  const sentence = isEnded(task) ? null : (row.why ?? why?.sentence ?? null)
  const since = isEnded(task) ? task.completedAt : task.stepEnteredAt
  const state = stateOf(task)
  const facts: [string, Line | string | null][] = [
    [
      'state',
      [
        { text: `${state.symbol} ${state.word}`, tone: state.tone, isBold: true },
        { text: since ? ` ${isEnded(task) ? 'ended' : 'for'} ${ago(since, model.now, isEnded(task))}` : '' },
        { text: task.attempt > 1 ? `, attempt ${task.attempt}` : '' },
        { text: task.cleanup === 'failed' ? ', cleanup failed' : '' },
      ],
    ],
    ['earlier', earlierText(task)],
    ['why', sentence && withLocalTimes(sentence)],
    ['', isEnded(task) ? null : (why?.estimate ?? null)],
    ['do', isEnded(task) ? null : (why?.command ?? null)],
    ['agent', `${task.agent}${node ? ` on ${node.name}${node.size ? ` (${node.size})` : ''}` : ''}`],
    ['repo', `${task.repo.url}${task.repo.ref ? ` at ${task.repo.ref}` : ''}`],
    ['result', result && resultLine(task)],
    ['beside', savedText(task)],
    ['race', raceText(task)],
    ['fit', task.fit && fitText(task.fit)],
    ...leftOutLines(task)
      .slice(0, 2)
      .map((line): [string, Line] => ['left', [{ text: line, tone: 'you' }]]),
    ['', ignoredText(task)],
    ['', result?.summary ?? null],
    ['push', push && push.state !== 'failed' ? pushText(push) : null],
    ['check', result?.check ? `${result.check.command} (exit ${result.check.exitCode ?? 'none'})` : null],
    [
      'cost',
      usage &&
        `${costOf(usage)} ${thousands(usage.inputTokens)} tokens in, ${thousands(usage.outputTokens)} out`.trim(),
    ],
    [
      'labels',
      Object.entries(task.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', '),
    ],
  ]
  return facts.flatMap(([name, value]) => (value ? [fact(name, value, width)] : []))
}

function fact(name: string, value: Line | string, width: number): Line {
  const spans = typeof value === 'string' ? [{ text: pad(value, width - NAME_WIDTH - 1) }] : value
  return padLine([{ text: ` ${name.padEnd(NAME_WIDTH)}`, tone: 'quiet' }, ...spans], width)
}

/** The steps in one line; what does not fit is left out at its beginning. */
export function timeline(model: Model, width: number): Line {
  const spans = stepRows(model).map(({ symbol, step, time, tone }) => {
    return { text: `${symbol} ${step} ${time}`.trimEnd(), tone }
  })
  const shown: Span[] = []
  let used = 2
  for (const span of spans.reverse()) {
    used += span.text.length + 2
    if (used > width) return joined([{ text: '…', tone: 'quiet' }, ...shown], '  ')
    shown.unshift(span)
  }
  return joined(shown, '  ')
}

function steps(model: Model): Line[] {
  return stepRows(model).map(({ symbol, step, time, tone }) => [
    { text: `${symbol} `, tone },
    { text: pad(step, 19), tone },
    { text: time.padStart(8), tone },
  ])
}

interface StepRow {
  symbol: string
  step: string
  time: string
  tone: NonNullable<Span['tone']>
}

function stepRows(model: Model): StepRow[] {
  const row = focused(model)
  if (!row) return []
  const { task } = row
  const past = stageTimes(model.detail?.events ?? []).map(({ stage, ms }): StepRow => {
    const isBad = isFailedStage(task, stage)
    const time = ms === null ? '' : took(ms)
    return { symbol: isBad ? '✗' : '✓', step: stageName(stage), time, tone: isBad ? 'bad' : 'quiet' }
  })
  const stage = stageOf(task)
  if (stage === null) return past
  const { symbol, tone } = stateOf(task)
  const time = task.stepEnteredAt === null ? '' : formatDurationShort(model.now - Date.parse(task.stepEnteredAt))
  const now = isEnded(task) ? { symbol: '●', tone: 'busy' as const } : { symbol, tone }
  return [...past, { ...now, step: stageName(stage), time }]
}

function ago(at: string, now: number, isPast: boolean): string {
  const ms = now - Date.parse(at)
  return `${formatDurationShort(ms < 10_000 ? Math.floor(ms / 1_000) * 1_000 : ms)}${isPast ? ' ago' : ''}`
}

/** Agents without prices report tokens alone. */
export function costOf(usage: ScreenTaskJson['usage']): string {
  return usage === null || usage.costUsd === null ? '' : `$${usage.costUsd.toFixed(2)}`
}

function thousands(count: number): string {
  if (count < 1_000) return String(count)
  return count < 1_000_000 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(1)}M`
}
