/** Budgets in words: what is used of them, and when there is more. */

export interface BudgetText {
  window: string
  /** Null for all tasks. */
  label: string | null
  limitUsd: number
}

/** `day budget of $20`, `week budget of $5 for team=web`. */
export const budgetText = ({ window, label, limitUsd }: BudgetText) =>
  `${window} budget of ${money(limitUsd)}${label === null ? '' : ` for ${label}`}`

/** `until` in Unix ms; `allow` is the command that raises it, where it may be raised. */
export function usedText(budget: BudgetText, until: number, allow: string | null): string {
  return `${budgetText(budget)} is used; more at ${momentText(budget.window, until)}${allow === null ? '' : `, or \`${allow}\``}`
}

export interface Share {
  window: 'day' | 'week' | 'month'
  label: string | null
  /** In EUR; else in USD. */
  isOfMachines: boolean
  spent: number
  limit: number
}

const WINDOWS = { day: 'today', week: 'this week', month: 'this month' } as const

/** `$12.40 of $20 today`, `€41 of €50 for machines this month`. */
export function shareText({ window, label, isOfMachines, spent, limit }: Share): string {
  const amount = isOfMachines ? (euros: number) => money(euros).replace('$', '€') : money
  const what = isOfMachines ? ' for machines' : label === null ? '' : ` for ${label}`
  return `${amount(spent)} of ${amount(limit)}${what} ${WINDOWS[window]}`
}

export const raisedText = (what: string) =>
  `${what} was raised by a quarter already; give it more in the configuration, then \`tdf daemon reload\``

/** Of a task that rests and was not looked at since. */
export const roomAgain = 'the budget that it rests for has room again, and it goes on at the next look'

/** A day ends at midnight; of longer windows the day is what matters. */
function momentText(window: string, until: number): string {
  const at = new Date(until)
  const two = (part: number) => String(part).padStart(2, '0')
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`
  return window === 'day' ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`
}

/** Whole dollars without cents. */
export const money = (usd: number) => `$${Number.isInteger(usd) ? usd : usd.toFixed(2)}`
