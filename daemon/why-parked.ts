/** Why a task rests: a usage limit that its own agent met, or one that another task met with the same credential. */
import { limitOf } from '../src/store/limits.ts'
import type { Task } from '../src/task.ts'
import type { Engine } from './deps.ts'
import { credentialOf } from './governor.ts'
import { iso } from './view/task-json.ts'

interface Said {
  sentence: string
  command: string
}

export function whyParked(task: Task): Said {
  const { agent } = task.spec
  const until = iso(task.parkedUntil) ?? 'its usage limit is lifted'
  const how = PLACES[task.step ?? ''] ?? ''
  const goesOn = task.facts.session?.resumeRef ? 'the same conversation goes on' : 'its prompt is given again'
  const sentence = `It is parked until ${until}: ${agent.name} has reached its usage limit. Then ${goesOn}${how}.`
  return { sentence, command: `tdf cancel ${task.id}` }
}

const PLACES: Record<string, string> = {
  agent_session: ', in the workspace that is kept for it',
  salvage: ', on another machine; this one is released as soon as the work is saved',
  node_selection: ', on another machine; the work is saved and the old one was released',
}

/** Undefined unless the task is about to start its agent and may not. */
export function whyLimited({ store, world }: Engine, task: Task): Said | undefined {
  if (task.step !== 'node_selection' && task.step !== 'agent_session') return undefined
  const until = limitOf(store.sql, credentialOf(task.spec))
  if (until === null || until <= world.clock.now()) return undefined
  const sentence = `It waits for the usage limit of ${task.spec.agent.name}, which another task has reached, until ${iso(until)}; a task for another agent would not.`
  return { sentence, command: `tdf cancel ${task.id}` }
}
