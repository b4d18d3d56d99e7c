/** What a task that is over has left behind: work that is not home, things that are not removed. */
import { formatDuration, formatDurationShort } from '../src/duration.ts'
import { type CleanupItem, cleanupsOf } from '../src/store/cleanups.ts'
import { readNode } from '../src/store/nodes.ts'
import { isTerminal, type Task } from '../src/task.ts'
import type { Engine } from './deps.ts'

/** Undefined while its own step does it, and when nothing is left. */
export function whyLeft(engine: Engine, task: Task): { sentence: string; command: string } | undefined {
  if (!isTerminal(task.status) || task.step !== null) return undefined
  const item = cleanupsOf(engine.store.sql, task).find(({ state }) => state === 'pending')
  if (!item) return undefined
  const verdict = `It is ${task.status} (${task.verdict})`
  return item.kind === 'salvage'
    ? { sentence: `${verdict}, and its work is not home: ${held(engine, item)}.`, command: discard(item) }
    : { sentence: `${verdict}, and ${what(engine, item)}.`, command: `tdf node show ${item.nodeName}` }
}

function held({ store, config, world }: Engine, item: CleanupItem): string {
  const price = readNode(store.sql, item.nodeName)?.pricePerHour ?? null
  const cost = price === null ? '' : ` at €${price.toFixed(4)} an hour`
  const limit = formatDuration(config.nodes.heldMax)
  return `${item.nodeName} is held for it${cost}, for at most ${limit}; ${tries(item, world.clock.now())}`
}

function what({ world }: Engine, item: CleanupItem): string {
  const thing = item.kind === 'stop_workspace' ? 'stopped' : 'deleted'
  return `its workspace on ${item.nodeName} is not ${thing} yet; ${tries(item, world.clock.now())}`
}

function tries({ tries: count, dueAt, error }: CleanupItem, now: number): string {
  const again = dueAt > now ? `in ${formatDurationShort(dueAt - now)}` : 'now'
  const failed = count === 1 ? '1 try' : `${count} tries`
  return `${failed} failed, the next is ${again}${error ? ` (${error})` : ''}`
}

const discard = ({ nodeName }: CleanupItem) => `tdf node rm ${nodeName} --discard-work`
