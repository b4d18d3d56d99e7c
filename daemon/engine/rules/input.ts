/** What the rules of this moment are: the clock is read and the dice are thrown here, never in a rule. */
import type { Engine } from '../../services.ts'
import type { Rules } from './transition.ts'

export function rulesOf({ world, config, loop }: Engine): Rules {
  return { now: world.clock.now(), config, dice: world.random.float(), epochAt: loop.epochAt() }
}
