/** Tasks that come after others, and races: nobody runs too early, nobody is forgotten, and one wins. */
import { meets } from '../../../daemon/engine/rules/after.ts'
import { isIn, scoreOf } from '../../../daemon/engine/rules/race.ts'
import { awaitedBy } from '../../../src/core/facts.ts'
import { isOver } from '../../../src/core/task.ts'
import { edgesOf } from '../../../src/store/groups/edges.ts'
import { membersOf, readGroup } from '../../../src/store/groups/groups.ts'
import { type ReadTask, readAttempt, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { type Check, describe, type Seen } from '../seen.ts'
import type { Sim } from '../simulation.ts'

/** Who has won each race, as first seen. */
const winners = new WeakMap<Sim, Map<string, string>>()

export const graphInvariants: Record<string, Check> = {
  'nobody runs before its predecessors': ({ sql, attempts }) =>
    attempts
      .filter(({ spec, workspaceId }) => spec.after && workspaceId !== null)
      .flatMap(task => {
        return edgesOf(sql, task.id).flatMap(({ predecessor, gives, met }) => {
          const before = met === null ? undefined : readAttempt(sql, { id: predecessor, attempt: met })
          const isMet = before && task.spec.after && meets(task.spec.after, gives === 'must', before)
          return isMet ? [] : [`${describe(task)} did not wait for ${predecessor}`]
        })
      }),

  'nobody is forgotten by its predecessors': ({ sql, live, isBusy }) =>
    isBusy
      ? []
      : live
          .filter(task => awaitedBy(task) === 'predecessors')
          .flatMap(task => {
            const edges = edgesOf(sql, task.id)
            const isForgotten = edges.every(({ predecessor, gives, met }) => {
              const newest = readNewestAttempt(sql, predecessor)
              return met !== null || (newest && task.spec.after && meets(task.spec.after, gives === 'must', newest))
            })
            return isForgotten ? [`${describe(task)} waits for nobody`] : []
          }),

  'a race has one winner': seen => {
    const known = winners.get(seen.sim) ?? new Map<string, string>()
    winners.set(seen.sim, known)
    return racesOf(seen).flatMap(({ name, winner, members }) => {
      const before = known.get(name)
      if (winner !== null) known.set(name, winner)
      if (before !== undefined && before !== winner) return [`${name} was won by ${before}, and then by ${winner}`]
      const isUndecided = winner === null && members.every(isOver) && members.some(isIn)
      return isUndecided ? [`${name} is over, and nobody has won it`] : []
    })
  },

  'the winner of a race is the best of it': seen =>
    racesOf(seen).flatMap(({ name, winner, members }) => {
      // What a later attempt came to decides nothing any more.
      const isAsItWas = members.every(({ attempt, spec }) => attempt === 1 && spec.race?.first === false)
      const won = members.find(({ id }) => id === winner)
      if (!isAsItWas || !won) return []
      const best = Math.max(...members.filter(isIn).map(member => scoreOf(member) ?? 0))
      return isIn(won) && scoreOf(won) === best
        ? []
        : [`${winner} won ${name} with ${scoreOf(won)}, and ${best} is better`]
    }),
}

interface Race {
  name: string
  winner: string | null
  members: ReadTask[]
}

function racesOf({ sql }: Seen): Race[] {
  const rows = sql.all(`select name from task_groups where kind = 'race'`)
  return rows.map(({ name: text }) => {
    const name = String(text)
    const members = membersOf(sql, name).flatMap(id => readNewestAttempt(sql, id) ?? [])
    return { name, winner: readGroup(sql, name)?.winner ?? null, members }
  })
}
