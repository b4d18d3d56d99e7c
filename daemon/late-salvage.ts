/** Work that could not be had in time, fetched later: the sweep tries until it is home, then fills the result in. */
import { TdfError } from '../src/errors.ts'
import { type AttemptKey, readAttempt, updateAttempt } from '../src/store/attempts.ts'
import type { CleanupItem } from '../src/store/cleanups.ts'
import { readNode } from '../src/store/nodes.ts'
import type { Engine } from './deps.ts'
import { bringHome } from './results/bring-home.ts'

/** Throws while the work is not home. A workspace that is gone for good has nothing left to save. */
export async function saveLate(engine: Engine, item: CleanupItem, signal: AbortSignal): Promise<void> {
  const { store, agents, results } = engine
  const task = readAttempt(store.sql, item)
  const node = readNode(store.sql, item.nodeName)
  if (!task || !node || node.status === 'destroyed') return
  const agent = await agents.of(node, signal)
  if ((await agent.workspace(item.subject)) === null) return
  const session = task.sessionId === null ? null : await agent.session(item.subject, task.sessionId)
  if (session?.status === 'running' && task.sessionId !== null) {
    await agent.cancelSession(item.subject, task.sessionId)
    throw new TdfError('AGENT_BUSY', 'the agent is being ended', { retryAfterMs: 2_000 })
  }
  const saved = await bringHome({ results }, task, agent)
  await store.commit(() => fillIn(engine, task, node.name, saved))
}

/** Inside a write: the attempt is over, and what it did is here now. */
export function fillIn(
  engine: Pick<Engine, 'store' | 'world'>,
  key: AttemptKey,
  nodeName: string,
  { salvage, result }: Awaited<ReturnType<typeof bringHome>>,
): void {
  const { store, world } = engine
  const now = world.clock.now()
  const seen = readAttempt(store.sql, key)
  if (!seen) return
  const facts = { ...seen.facts, salvage, saved: true, held: false }
  updateAttempt(store.sql, seen, { ...seen, facts, result, updatedAt: now }, now)
  const about = { taskId: seen.id, attempt: seen.attempt, nodeName }
  engine.store.append({ type: 'task.saved', ...about, data: { commit: salvage.commit, late: true } }, now)
}
