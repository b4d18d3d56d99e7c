/** The connection to a node is over: it is dialled and greeted anew now, not when its silence is noticed. */
import type { Engine } from '../deps.ts'
import { nodeSubject } from '../subjects.ts'

export function wayLost({ agents, loop, world }: Engine, nodeName: string): void {
  agents.lost(nodeName)
  loop.schedule(nodeSubject(nodeName), world.clock.now())
}
