/** What is done outside: once by its name, and nothing is destroyed before it is saved. */
import { filesRefOf } from '../../../src/core/saved.ts'
import { resultRefOf } from '../../../src/core/task.ts'
import { readNewestEvents } from '../../../src/store/tables/journal.ts'
import type { Check } from '../seen.ts'
import { describe } from '../seen.ts'

export const effectInvariants: Record<string, Check> = {
  'a session is started once': ({ agents }) =>
    agents.flatMap(({ starts }) =>
      [...starts].flatMap(([id, count]) => (count > 1 ? [`${id} was started ${count} times`] : [])),
    ),

  // Where an agent forgot everything there is nothing of it: who had no answer asks again, and it is built there anew.
  'a workspace is built once': ({ sim, agents }) =>
    agents.flatMap(({ builds }) =>
      [...builds].flatMap(([id, count]) => (count > 1 && !sim.wiped.has(id) ? [`${id} was built ${count} times`] : [])),
    ),

  'an agent is started once for its prompt and once for each follow-up': ({ agents, attempts }) => {
    const started = agents.flatMap(({ starts }) => [...starts.keys()].filter(id => !id.endsWith('-check')))
    return attempts.flatMap(task => {
      const runs = started.filter(id => id.startsWith(`${task.workspaceId}-s`)).length
      return runs > (task.facts.followups ?? 0) + 2 ? [`${describe(task)} was started ${runs} times`] : []
    })
  },

  'what is at home beside a result is named, and a run that made something is not no_change': ({ sim, attempts }) =>
    attempts.flatMap(task => {
      const ref = resultRefOf(task.id, task.attempt)
      const atHome = [...sim.out.results.refs.keys()].filter(
        name => name.startsWith(`${ref}-`) && name !== filesRefOf(ref),
      )
      const named = task.facts.salvage?.saved?.map(one => one.ref) ?? []
      const isOver = task.step === null && task.result !== null
      const unnamed = isOver ? atHome.filter(name => !named.includes(name)) : []
      const isUntrue = task.verdict === 'no_change' && (named.length > 0 || task.facts.kept === true)
      return [
        ...unnamed.map(name => `${name} is named nowhere`),
        ...(isUntrue ? [`${describe(task)} is no_change`] : []),
      ]
    }),

  // Its work came after all, and so did an attempt that repeats it or a verdict that says that it was lost. After
  // `held_max` a task waits no longer, while other work may still hold the node.
  'work that comes home late is judged': ({ sim, sql, attempts }) =>
    attempts
      .filter(
        ({ verdict, error, facts }) => verdict === 'infrastructure' && error?.code === 'SALVAGE_FAILED' && facts.saved,
      )
      .filter(({ workspaceId }) => !sim.path.discarded.has(workspaceId ?? ''))
      .filter(({ id, attempt, completedAt }) => {
        const held = readNewestEvents(sql, id, 1_000).find(
          event => event.attempt === attempt && event.type === 'task.held',
        )
        return !held || (completedAt ?? 0) < held.at + sim.life.engine.config.nodes.heldMax
      })
      .map(describe),

  'nothing is destroyed before it is saved': ({ sim, agents }) => [
    ...(sim.out.cloud?.lostWork ?? []).filter(id => !sim.wiped.has(id) && !sim.path.discarded.has(id)),
    ...agents.flatMap(({ lostWork }) => lostWork.filter(id => !sim.path.discarded.has(id))),
  ],
}
