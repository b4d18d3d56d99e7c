/**
 * An agent that a daemon has started for itself ends when nothing needs it any more: no daemon is there, no session runs and
 * no workspace is built. What it holds stays on the disk, where the agent of the next start finds it; the runs themselves
 * are processes of their own.
 */
import type { Agent } from '../agent.ts'
import type { Workspace } from '../workspaces/workspace.ts'

export interface Contact {
  /** A daemon has called, or has answered. */
  seen(): void
  /** A call of a daemon is being answered, until what is returned is called. */
  enter(): () => void
  /** Calls `end` once nothing has needed the agent for its limit; never, where it has none. Answers what stops the looking. */
  endWhenIdle(agent: Pick<Agent, 'watched' | 'workspaces'>, end: () => void): () => void
}

/** Of these looks one has to fail: what begins between two of them is seen by the next. */
const LOOKS = 4

export function openContact({ world, limits }: Pick<Agent, 'world' | 'limits'>): Contact {
  const { clock } = world
  let neededAtMs = clock.mono()
  let open = 0
  const seen = () => {
    neededAtMs = clock.mono()
  }

  function endWhenIdle(agent: Pick<Agent, 'watched' | 'workspaces'>, end: () => void): () => void {
    const { idleMs } = limits
    if (idleMs === 0) return () => {}
    const isBusy = () => open > 0 || agent.watched.size > 0 || [...agent.workspaces.values()].some(isBuilt)
    const look = () => {
      if (isBusy()) seen()
      if (clock.mono() - neededAtMs >= idleMs) return end()
      cancel = clock.timer(Math.ceil(idleMs / LOOKS), look)
    }
    let cancel = clock.timer(Math.ceil(idleMs / LOOKS), look)
    return () => cancel()
  }

  return {
    seen,
    enter() {
      open += 1
      return () => {
        open -= 1
        seen()
      }
    },
    endWhenIdle,
  }
}

const isBuilt = ({ build, record }: Workspace) => build !== null || record.status === 'creating'
