/** Nodes: their slots, their owners and their number. */

import { isTerminal } from '../../../src/core/task.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { liveWorkspaces, reservedOn, slotsInUse } from '../../../src/store/tables/slots.ts'
import type { Check } from '../seen.ts'

export const nodeInvariants: Record<string, Check> = {
  'one live workspace for each task, attempt and placement': ({ sql }) => {
    const seen = new Set<string>()
    return liveWorkspaces(sql).flatMap(({ id, taskId, attempt, placement }) => {
      const key = `${taskId}/${attempt}/${placement}`
      const isDouble = seen.has(key)
      seen.add(key)
      return isDouble ? [`${id} is a second workspace of ${key}`] : []
    })
  },

  'slots are never over capacity': ({ sql, nodes }) => {
    const used = slotsInUse(sql)
    return nodes.flatMap(({ name, maxWorkspaces }) =>
      (used.get(name) ?? 0) > maxWorkspaces ? [`${name} has ${used.get(name)} of ${maxWorkspaces} slots in use`] : [],
    )
  },

  'reservations belong to live tasks that wait for them': ({ sql, nodes }) =>
    nodes.flatMap(({ name }) =>
      reservedOn(sql, name).flatMap(key => {
        const task = readAttempt(sql, key)
        return !task || isTerminal(task.status) || task.workspaceId !== null
          ? [`${key.id} holds a slot on ${name}`]
          : []
      }),
    ),

  'a machine is made once for each name': ({ sim }) =>
    [...(sim.out.cloud?.made ?? [])].flatMap(([name, count]) => (count > 1 ? [`${name} was made ${count} times`] : [])),

  'every machine has an owner': ({ sim, sql }) => {
    const machines = [...(sim.out.cloud?.machines.keys() ?? [])]
    if (machines.length === 0) return []
    const owners = new Set(readNodes(sql, true).flatMap(({ name, status }) => (status === 'destroyed' ? [] : [name])))
    return machines.filter(name => !owners.has(name)).map(name => `${name} has no owner`)
  },

  'no more machines than allowed': ({ sim }) => {
    const count = sim.out.cloud?.machines.size ?? 0
    const { maxNodes } = sim.out.config.nodes
    return count > maxNodes ? [`${count} machines, ${maxNodes} allowed`] : []
  },
}
