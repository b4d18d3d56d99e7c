/** What rules and steps are told beside the task, read from the engine. */
import { edgesOf } from '../../../src/store/groups/edges.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import type { Engine } from '../../services.ts'
import { workOf } from '../rules/after.ts'
import type { DecisionInput } from '../rules/transition.ts'

/** What a decision is made from, read now: rules read no clock and roll no dice. */
export function decisionInput(engine: Engine): DecisionInput {
  const { world, config } = engine
  return { now: world.clock.now(), config, jitter: world.random.float(), epochAt: epochOf(engine) }
}

/** Since when time counts, Unix ms: while nothing could be stored nothing could go on, as while the daemon was away. */
export function epochOf({ loop, store, world }: Engine): number {
  const outage = store.outage()
  return outage === null ? loop.epochAt() : Math.max(loop.epochAt(), outage.until ?? world.clock.now())
}

/** The saved work of the predecessors that a task begins from. */
export function workBefore(sql: Sql, id: string) {
  return edgesOf(sql, id).flatMap(({ predecessor, gives, met }) => {
    const attempt = gives === null || met === null ? undefined : readAttempt(sql, { id: predecessor, attempt: met })
    return (attempt && (gives === 'must' || attempt.status === 'completed') && workOf(attempt)) || []
  })
}
