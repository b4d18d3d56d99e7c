/** An open schedule: what it is, and what became of its instants, the newest first. */
import type { ScheduleRunJson } from '../../protocol/upkeep.ts'
import { nextText, runText, scheduleFacts } from '../../text/progress/schedules.ts'
import { oneLine } from '../../text/sanitize.ts'
import { localTime } from '../../text/times.ts'
import { focusedSchedule, type Model } from '../state/model.ts'
import { endOf } from '../state/states.ts'
import { ahead, type Line, padLine, rule, type Span } from '../view/line.ts'
import { outside } from './board.ts'
import { stateText } from './schedules.ts'

const NAME_WIDTH = 12
/** Of its facts, what one can do without in a small window comes last. */
const RUNS_MIN = 3

export function schedulePane(model: Model): Line[] {
  const { columns } = model.size
  const schedule = focusedSchedule(model)
  if (!schedule) return [rule([{ text: model.open ?? '', isBold: true }], columns), [], [{ text: '  it is gone' }]]
  const { runs } = schedule
  const room = runsRoom(model)
  const above = Math.min(model.back, runsBelow(model))
  const shown = runs.slice(above, above + room)
  return [
    rule([{ text: schedule.name, isBold: true }], columns),
    ...factsOf(model),
    rule([{ text: 'its tasks', isBold: true }], columns, outside(above, runs.length - above - room)),
    ...(runs.length === 0
      ? [[{ text: '  none yet', tone: 'quiet' as const }]]
      : shown.map(run => runLine(run, model, columns))),
  ]
}

/** So many instants are below what fits. */
export function runsBelow(model: Model): number {
  return Math.max((focusedSchedule(model)?.runs.length ?? 0) - runsRoom(model), 0)
}

/** Without the header, two rules, the footer and the line that stays free. */
function runsRoom(model: Model): number {
  return Math.max(model.size.rows - 5 - factsOf(model).length, 1)
}

function factsOf(model: Model): Line[] {
  const schedule = focusedSchedule(model)
  if (!schedule) return []
  const { now, size } = model
  const next = schedule.next === null ? null : `${ahead(schedule.next, now)}, ${nextText(schedule)}`
  const { text, tone } = stateText(schedule)
  const facts = scheduleFacts(schedule).map(([name, value]): [string, string | null] => [
    name,
    name === 'next' ? next : value,
  ])
  const lines: Line[] = [
    fact('state', { text, tone, isBold: true }, size.columns),
    ...facts.flatMap(([name, value]) => {
      if (!value) return []
      const look = name === 'paused' ? { tone: 'wait' as const } : {}
      return [fact(name, { text: value, ...look }, size.columns)]
    }),
  ]
  return lines.slice(0, Math.max(size.rows - 5 - RUNS_MIN, 1))
}

function fact(name: string, value: Span, columns: number): Line {
  return padLine([{ text: ` ${name.padEnd(NAME_WIDTH)}`, tone: 'quiet' }, value], columns)
}

function runLine(run: ScheduleRunJson, { rows }: Model, columns: number): Line {
  const { planned, task, status, verdict } = run
  const ended = status === null ? null : endOf({ status, verdict })
  const title = task === null ? undefined : rows.get(task)?.task.title
  return padLine(
    [
      { text: `  ${ended?.symbol ?? '·'} `, tone: ended?.tone ?? 'quiet' },
      {
        text: `${localTime(planned).slice(0, -3)}  ${runText(run, ended?.word)}`,
        ...(task === null ? { tone: 'quiet' } : {}),
      },
      { text: title === undefined ? '' : `  ${oneLine(title)}`, tone: 'quiet' },
    ],
    columns,
  )
}
