/** The failure card on the screen: what failed, the end of what it printed, why, and what to do next. */
import { type CardLine, failureCard, failureOf } from '../../text/failure.ts'
import { EMPTY_LOG, linesOf } from '../state/log.ts'
import type { Detail, Row } from '../state/model.ts'
import type { Line, Span } from './line.ts'

const LOOKS: Record<CardLine['kind'], Partial<Span>> = {
  title: { tone: 'bad', isBold: true },
  output: {},
  why: { tone: 'bad' },
  next: { isBold: true },
}

/** What goes last where there is little room. */
const ORDER: readonly CardLine['kind'][] = ['title', 'next', 'why', 'output']

/** At most so many lines: of the output, its end. None for a task that did not fail. */
export function card(task: Row['task'], detail: Detail | null, room: number): Line[] {
  const lines = failureCard(task, detail?.id === task.id ? tailOf(task, detail) : null)
  const shown = new Set<CardLine>()
  for (const kind of ORDER) {
    const spare = Math.max(room - shown.size, 0)
    const fitting = lines.filter(line => line.kind === kind)
    for (const line of fitting.slice(Math.max(fitting.length - spare, 0))) shown.add(line)
  }
  return lines.filter(line => shown.has(line)).map(({ kind, text }) => [{ text, ...LOOKS[kind] }])
}

/** As far as it is read by now. */
function tailOf(task: Row['task'], { log, check, tail }: Detail): string | null {
  const session = failureOf(task)?.session
  if (session === null) return null
  if (session === undefined) return linesOf(log).join('\n')
  return session === 'check' ? linesOf(check ?? EMPTY_LOG).join('\n') : tail
}
