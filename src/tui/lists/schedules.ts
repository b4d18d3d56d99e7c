/** The schedules, a row each: when it comes next, how it went last, and why it is paused. */
import type { ScheduleJson } from '../../protocol/upkeep.ts'
import { streakText, whenText } from '../../text/progress/schedules.ts'
import { oneLine } from '../../text/sanitize.ts'
import { focusedSchedule, type Model } from '../state/model.ts'
import { listHeight, windowTop } from '../state/order.ts'
import { endOf, type Tone } from '../state/states.ts'
import { age, ahead, barOf, type Line, pad, padLine, type Span, textWidth } from '../view/line.ts'
import { listHead, outside } from './board.ts'

const STATE_WIDTH = 10
const NEXT_WIDTH = 7
const LAST_WIDTH = 17
const STREAK_WIDTH = 7
const NAME_MIN = 8
const NAME_MAX = 24
/** Widths of a window from which on there is room for the streak, for the pattern, and for both that and why it is paused. */
const STREAK_FROM = 62
const WHEN_FROM = 76
const WIDE = 120

export function schedules(model: Model): Line[] {
  const { columns } = model.size
  const all = model.schedules ?? []
  const height = listHeight(model)
  const here = focusedSchedule(model)
  const top = windowTop(0, here ? all.indexOf(here) : 0, height, all.length)
  const name = Math.min(Math.max(NAME_MIN, ...all.map(schedule => textWidth(schedule.name))), NAME_MAX)
  const heads = [
    pad('  STATE', STATE_WIDTH),
    pad('NAME', name),
    pad('NEXT', NEXT_WIDTH),
    pad('LAST', LAST_WIDTH),
    ...(columns < STREAK_FROM ? [] : [pad('STREAK', STREAK_WIDTH)]),
    ...(columns < WHEN_FROM ? [] : ['WHEN']),
  ]
  const lines = all.slice(top, top + height).map((schedule): Line => {
    const line = rowOf(schedule, model, name)
    return schedule === here ? barOf(line, columns) : padLine(line, columns)
  })
  if (all.length === 0) lines.push([], [{ text: `  ${emptyText(model)}`, tone: 'quiet' }])
  while (lines.length < height) lines.push([])
  return [...listHead(heads.join('  '), columns, outside(top, all.length - top - height)), ...lines]
}

const emptyText = ({ schedules }: Model) =>
  schedules === null ? 'not read yet' : 'no schedules yet; tdf schedule add NAME "30 2 * * 1-5" "what to do" makes one'

function rowOf(schedule: ScheduleJson, model: Model, nameWidth: number): Line {
  const { now, size } = model
  const { name, next, last, streak } = schedule
  const why = schedule.why === null ? null : oneLine(schedule.why)
  const { text: state, tone } = stateText(schedule)
  const ended = last && endOf(last)
  const rest = why === null ? whenText(schedule) : size.columns < WIDE ? why : `${whenText(schedule)}  ${why}`
  return [
    { text: schedule === focusedSchedule(model) ? '› ' : '  ' },
    { text: pad(state, STATE_WIDTH), tone },
    { text: `  ${pad(name, nameWidth)}  ${pad(next === null ? '-' : ahead(next, now), NEXT_WIDTH)}  ` },
    ended
      ? { text: pad(`${ended.symbol} ${ended.word} ${age(last.at, now)}`, LAST_WIDTH), tone: ended.tone }
      : { text: pad('-', LAST_WIDTH), tone: 'quiet' },
    ...(size.columns < STREAK_FROM ? [] : [streakSpan(streak)]),
    ...(size.columns < WHEN_FROM
      ? []
      : [{ text: `  ${rest}`, tone: why === null ? ('quiet' as const) : ('wait' as const) }]),
  ]
}

function streakSpan(streak: number): Span {
  const text = `  ${pad(streakText(streak), STREAK_WIDTH)}`
  return streak < 0 ? { text, tone: 'bad' } : { text }
}

/** `● active`, `= paused`. */
export function stateText({ state }: ScheduleJson): Span & { tone: Tone } {
  return state === 'paused' ? { text: '= paused', tone: 'wait' } : { text: '● active', tone: 'good' }
}
