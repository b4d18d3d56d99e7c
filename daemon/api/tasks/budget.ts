/** What of `tdf why` is about money: tasks that wait, or rest, until they may cost more. */
import { isQueued } from '../../../src/core/facts.ts'
import type { Task } from '../../../src/core/task.ts'
import type { WhyJson } from '../../../src/protocol/control.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { raisedText, roomAgain } from '../../../src/text/progress/budgets.ts'
import { parkedPlaces, taskWaits } from '../../../src/text/waiting.ts'
import { isAllowance } from '../../engine/rules/budgets.ts'
import { hasBudgets, holdOf, orderHold, raisedBefore } from '../../placement/budgets.ts'
import type { Engine } from '../../services.ts'

/** Where there is no leave for more. */
export const RAISED_HINT = 'tdf config show --origin'

type Asking = Pick<Engine, 'store' | 'config' | 'world'>

export function whyBudget(engine: Asking, task: Task): Pick<WhyJson, 'sentence' | 'command'> | undefined {
  const { id, facts, spec } = task
  const command = `tdf send ${id} allow`
  if (task.status === 'parked' && facts.paused === 'task') {
    const sentence = `It is parked and waits for ${taskWaits.allowance(Number(spec.maxCostUsd), id)}.`
    return { sentence, command }
  }
  const isPaused = task.status === 'parked' && facts.paused === 'window'
  if (!hasBudgets(engine.config) && !isPaused) return undefined
  const now = engine.world.clock.now()
  const hold = isPaused || isQueued(task) ? holdOf(engine, { id, labels: spec.labels }, now) : null
  if (isPaused && !hold) return { sentence: `It is parked: ${roomAgain}.`, command: 'tdf cost --by day' }
  if (hold && isPaused) {
    const goesOn = facts.session?.resumeRef ? 'the same conversation goes on' : 'its prompt is given again'
    const sentence = `It is parked: ${hold.why}. Then ${goesOn}${parkedPlaces[task.step ?? ''] ?? ''}.`
    return { sentence, command: raisedBefore(engine, spec.labels, now) === null ? command : RAISED_HINT }
  }
  if (hold) return { sentence: `It waits: ${hold.why}.`, command: 'tdf cost --by day' }
  const order = isQueued(task) && readNodes(engine.store.sql).length === 0 ? orderHold(engine, now) : null
  return order === null ? undefined : { sentence: `It waits for a machine: ${order}.`, command: 'tdf cost --by node' }
}

/** Why a word that lets the task cost more would change nothing; null where it may be said, or is no such word. */
export function refusedAllowance(engine: Asking, task: Task, text: string): string | null {
  const { facts, spec } = task
  if (!isAllowance({ kind: 'followup', payload: { text } })) return null
  if (facts.paused !== 'window' && !isQueued(task)) return null
  const raised = hasBudgets(engine.config) ? raisedBefore(engine, spec.labels, engine.world.clock.now()) : null
  return raised === null ? null : raisedText(raised)
}
