/** What tasks and their machines may cost. */
import { z } from 'zod'
import { choice, described } from './kinds.ts'

const USD_MAX = 1_000_000

const limit = (description: string) =>
  described(z.number().min(0).max(USD_MAX).prefault(0), description, {
    expects: `an amount of money from 0 to ${USD_MAX}, such as 20`,
  })

/** What could stand in a command line, and in a path of JSON. */
const LABEL = /^[^\p{Cc}"\\=]{1,128}=[^\p{Cc}]{0,512}$/u

const budgetOf = z.strictObject({
  label: described(z.string().regex(LABEL), 'Of tasks with this label.', {
    expects: 'a label such as "team=web"',
    example: 'team=web',
  }),
  day: limit('USD in a day.'),
  week: limit('USD in a week.'),
  month: limit('USD in a month.'),
})

export const budgetsTable = z
  .strictObject({
    day: limit('USD in a day, of agents and machines together; it begins at midnight of the daemon. 0: no limit.'),
    week: limit('The same in a week, which begins on Monday.'),
    month: limit('The same in a month.'),
    machines_month: limit('EUR in a month for machines alone: no machine is ordered beyond it, tasks on others go on.'),
    warn_at: described(
      z.number().min(0.01).max(1).prefault(0.8),
      'At this share of a limit you are warned, once in each window.',
      { expects: 'a number from 0.01 to 1' },
    ),
    at_limit: choice(
      ['pause', 'no-new'],
      'pause',
      'pause: begin no task, save the work of those that run and let them rest; no-new: begin no task, let the others end.',
    ),
    usd_per_eur: described(
      z.number().min(0.01).max(1_000).prefault(1.15),
      'What a euro counts as in sums of both: providers state the prices of machines in euros, agents theirs in dollars.',
      { expects: 'a number from 0.01 to 1000' },
    ),
    for: described(z.array(budgetOf).max(100).prefault([]), 'Budgets of some tasks, beside those of all.', {
      expects: 'a list of tables',
    }),
  })
  .prefault({})
  .meta({
    description: 'What tasks and their machines may cost together. One [[budgets.for]] for each label with its own.',
  })
