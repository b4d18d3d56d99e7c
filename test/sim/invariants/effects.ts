/** What is done outside: once by its name, and nothing is destroyed before it is saved. */
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

  'nothing is destroyed before it is saved': ({ sim, agents }) => [
    ...(sim.out.cloud?.lostWork ?? []).filter(id => !sim.wiped.has(id) && !sim.path.discarded.has(id)),
    ...agents.flatMap(({ lostWork }) => lostWork.filter(id => !sim.path.discarded.has(id))),
  ],
}
