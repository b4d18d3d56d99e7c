/** What must hold once everything has come to rest: all is over, at home, and nothing is left behind. */

import { isTerminal, resultRefOf } from '../../../src/core/task.ts'
import { slotsInUse } from '../../../src/store/tables/slots.ts'
import { type Check, describe } from '../seen.ts'

export const restInvariants: Record<string, Check> = {
  'every task is over': ({ attempts }) => attempts.filter(({ status }) => !isTerminal(status)).map(describe),

  'no workspace is left behind': ({ agents }) =>
    agents.flatMap(({ name, workspaces }) => [...workspaces.keys()].map(id => `${id} still stands on ${name}`)),

  'no slot is left in use': ({ sql }) =>
    [...slotsInUse(sql)].map(([name, used]) => `${used} slots of ${name} are in use`),

  'no machine is left': ({ sim }) => [...(sim.out.cloud?.machines.keys() ?? [])].map(name => `${name} is still there`),

  'completed work is at home': ({ sim, attempts }) =>
    attempts
      .filter(
        ({ status, id, attempt }) => status === 'completed' && !sim.out.results.refs.has(resultRefOf(id, attempt)),
      )
      .map(describe),

  'what was saved on the way is the result where nothing better came': ({ sim, attempts }) =>
    attempts
      .filter(({ id, attempt, result }) => result === null && sim.out.results.checkpoints.has(resultRefOf(id, attempt)))
      .map(describe),

  'a finished cleanup is done': ({ attempts }) =>
    attempts.filter(({ cleanup }) => cleanup !== 'done').map(task => `${describe(task)} cleanup ${task.cleanup}`),
}
