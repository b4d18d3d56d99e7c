/** Whether there are nodes, and whether one of them needs somebody. */
import type { FindingJson } from '../../src/protocol/control.ts'
import { type ReadNode, readNodes } from '../../src/store/nodes.ts'
import type { Engine } from '../deps.ts'

const NEEDS_SOMEBODY = ['held', 'lost', 'failed']

export function checkNodes({ store, providers }: Engine): FindingJson[] {
  const nodes = readNodes(store.sql)
  const canOrder = Object.values(providers).some(provider => provider?.catalogue())
  if (nodes.length === 0 && !canOrder) {
    const message = 'there is no node, and no provider that could order one'
    return [{ check: 'nodes', state: 'fail', message, hint: 'tdf config show --origin' }]
  }
  const bad = nodes.filter(({ status }) => NEEDS_SOMEBODY.includes(status))
  if (bad.length > 0) return bad.map(badNode)
  const more = canOrder ? ', and more can be ordered' : ''
  const message = nodes.length === 0 ? 'none is up; one is ordered when a task comes' : `${named(nodes)}${more}`
  return [{ check: 'nodes', state: 'ok', message, hint: null }]
}

function badNode({ name, status, waitingFor }: ReadNode): FindingJson {
  const message = `${name} is ${status}${waitingFor ? `: ${waitingFor}` : ''}`
  return { check: 'nodes', state: 'warn', message, hint: `tdf node show ${name}` }
}

function named(nodes: readonly ReadNode[]): string {
  const shown = nodes.slice(0, 5).map(({ name, status }) => `${name} is ${status}`)
  return nodes.length > 5 ? `${shown.join(', ')} and ${nodes.length - 5} more` : shown.join(', ')
}
