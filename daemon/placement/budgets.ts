/**
 * How budgets stand: what of each window is used, whom that holds, and what its users granted. What was spent is in
 * `src/store/spending/`; it is summed up when it is asked for, and only where a budget is set.
 */
import type { Config } from '../../src/config/schema/config.ts'
import { chargedHours } from '../../src/store/spending/machines.ts'
import { spentSince } from '../../src/store/spending/spending.ts'
import { mark, readMarks } from '../../src/store/spending/windows.ts'
import { pausedAttempts, readAttempt, wakeAttempt } from '../../src/store/tables/attempts.ts'
import { budgetText, usedText } from '../../src/text/progress/budgets.ts'
import { taskSubject } from '../engine/loop.ts'
import { GRANT } from '../engine/rules/asking.ts'
import type { Hold } from '../engine/rules/budgets.ts'
import type { Engine } from '../services.ts'

const WINDOWS = ['day', 'week', 'month'] as const
type Window = (typeof WINDOWS)[number]

interface Budget {
  window: Window
  /** `key=value`; null: of all tasks. */
  label: string | null
  limitUsd: number
}

export interface Standing extends Budget {
  spentUsd: number
  from: number
  until: number
  isGranted: boolean
  isWarned: boolean
  /** How often its users were told that it is used. */
  used: number
  isUsed: boolean
}

type Labels = Readonly<Record<string, string>>
type Asking = Pick<Engine, 'store' | 'config'>

function budgetsOf({ budgets }: Config): Budget[] {
  const tables = [{ ...budgets, label: null }, ...budgets.for]
  return tables.flatMap(table =>
    WINDOWS.flatMap(window => (table[window] > 0 ? [{ window, label: table.label, limitUsd: table[window] }] : [])),
  )
}

/** Those that count for tasks with `labels`, or all. `moreUsd`: what is spent and not on record yet. */
export function standings({ store, config }: Asking, now: number, labels?: Labels, moreUsd = 0): Standing[] {
  return budgetsOf(config)
    .filter(({ label }) => labels === undefined || label === null || carries(labels, label))
    .map(budget => {
      const { from, until } = windowAt(budget.window, now)
      const spent = spentSince(store.sql, from, budget.label === null ? undefined : labelOf(budget.label))
      const spentUsd = spent.costUsd + spent.machineCost * config.budgets.usdPerEur + moreUsd
      const marks = readMarks(store.sql, nameOf(budget), from)
      const isUsed = spentUsd >= raisedLimit({ ...budget, ...marks })
      return { ...budget, ...marks, from, until, spentUsd, isUsed }
    })
}

/** The limit with what its users have added to it, in USD. */
export const raisedLimit = ({ limitUsd, isGranted }: Pick<Standing, 'limitUsd' | 'isGranted'>): number =>
  limitUsd * (isGranted ? 1 + GRANT : 1)

/** What machines have cost in this month, in EUR. */
export const machinesThisMonth = ({ store }: Pick<Asking, 'store'>, now: number): number =>
  spentSince(store.sql, windowAt('month', now).from).machineCost

/** What keeps tasks with these labels from costing more; null where nothing does. */
export function holdOf(asking: Asking, task: { id: string; labels: Labels }, now: number, moreUsd = 0): Hold | null {
  const used = standings(asking, now, task.labels, moreUsd).filter(({ isUsed }) => isUsed)
  const [last] = used.sort((a, b) => b.until - a.until)
  if (!last) return null
  const allow = last.isGranted ? null : `tdf send ${task.id} allow`
  return { until: last.until, why: usedText(last, last.until, allow) }
}

/** Why no machine may be ordered: the hour that is paid with it is spent already. Null where nothing stands against it. */
export function orderHold({ store, config }: Asking, now: number): string | null {
  const { machinesMonth, usdPerEur } = config.budgets
  const { hourCost, committedCost } = chargedHours(store.sql, now)
  const nextCost = hourCost + committedCost
  const [over] = standings({ store, config }, now, {}, nextCost * usdPerEur).filter(
    standing => standing.spentUsd > raisedLimit(standing),
  )
  if (over) return `the ${budgetText(over)} has no room for an hour of another machine`
  if (machinesMonth === 0) return null
  const spent = machinesThisMonth({ store }, now) + nextCost
  return spent <= machinesMonth
    ? null
    : `[budgets] machines_month of €${machinesMonth} has no room for an hour of another machine`
}

/** Inside a write: raises what holds tasks with these labels by a quarter, once in each window, and lets those go on that it paused. */
export function grant(
  engine: Pick<Engine, 'store' | 'config' | 'loop' | 'placementChanged'>,
  labels: Labels,
  now: number,
): void {
  const { store, loop } = engine
  for (const used of standings(engine, now, labels)) {
    if (used.isUsed) mark(store.sql, nameOf(used), used.from, 'granted')
  }
  for (const key of pausedAttempts(store.sql)) {
    if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => loop.schedule(taskSubject(key), now))
  }
  engine.placementChanged()
}

/** What a grant would raise, where all of it was raised before; null where one may still be given. */
export function raisedBefore(asking: Asking, labels: Labels, now: number): string | null {
  const used = standings(asking, now, labels).filter(({ isUsed }) => isUsed)
  const [first] = used
  return first && used.every(({ isGranted }) => isGranted) ? `the ${budgetText(first)}` : null
}

/**
 * Inside a write: what came near its limit, and what is used, is told once in each window; after it was raised, at the raised
 * limit once more. Answers what is new.
 */
export function warn({ store, config, log }: Pick<Engine, 'store' | 'config' | 'log'>, now: number): Standing[] {
  return standings({ store, config }, now).filter(standing => {
    const { limitUsd, spentUsd, isWarned, isUsed, isGranted, used, from } = standing
    const data = { budget: budgetText(standing), spentUsd, limitUsd }
    const known = isGranted ? 2 : 1
    if (isUsed && used < known) {
      mark(store.sql, nameOf(standing), from, 'used', known)
      store.append({ type: 'budget.used', data }, now)
      log.warn(data, 'a budget is used')
    } else if (isWarned || isUsed || spentUsd < limitUsd * config.budgets.warnAt) return false
    else {
      store.append({ type: 'budget.warned', data }, now)
      log.warn(data, 'a budget is nearly used')
    }
    if (!isWarned) mark(store.sql, nameOf(standing), from, 'warned')
    return true
  })
}

/** The tasks that rest since a budget is used that counts for them, which may be this one. */
export function restingFor({ store }: Pick<Engine, 'store'>, { label }: Budget): string[] {
  return pausedAttempts(store.sql).flatMap(key => {
    const task = readAttempt(store.sql, key)
    const isHeld = task?.facts.paused === 'window' && (label === null || carries(task.spec.labels, label))
    return isHeld ? [key.id] : []
  })
}

export const hasBudgets = ({ budgets }: Config): boolean =>
  budgets.day + budgets.week + budgets.month + budgets.machinesMonth > 0 || budgets.for.length > 0

const nameOf = ({ window, label }: Budget) => (label === null ? window : `${window} ${label}`)

function labelOf(label: string): { key: string; value: string } {
  const equals = label.indexOf('=')
  return { key: label.slice(0, equals), value: label.slice(equals + 1) }
}

function carries(labels: Labels, label: string): boolean {
  const { key, value } = labelOf(label)
  return labels[key] === value
}

/** Days, weeks and months in the zone of the daemon: the one that `now` (Unix ms) is in: from its first moment to the first of the next. A week begins on Monday. */
function windowAt(window: Window, now: number): { from: number; until: number } {
  const day = new Date(now)
  const at = (month: number, date: number) => new Date(day.getFullYear(), month, date).getTime()
  const month = day.getMonth()
  const date = day.getDate()
  if (window === 'month') return { from: at(month, 1), until: at(month + 1, 1) }
  const first = window === 'day' ? date : date - ((day.getDay() + 6) % 7)
  return { from: at(month, first), until: at(month, first + (window === 'day' ? 1 : 7)) }
}
