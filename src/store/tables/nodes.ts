/** Nodes: machines and their journey. The last heartbeat of one is on a row of its own. */
import type { Heartbeat, Node } from '../../core/node.ts'
import { assignments, fields, insertion, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

const STATE = fields(
  `status size location address maxWorkspaces stateId cursor wakeAt deadlineAt waitingFor warmUntil pricePerHour readyAt
   updatedAt`,
  'facts',
)
const WHOLE = [...fields('name provider rev wakes createdAt', '', 'autoProvisioned'), ...STATE]
const UPDATE = `update nodes set rev = rev + 1, ${assignments(STATE)} where name = ?`

export interface ReadNode extends Node {
  wakes: number
}

export type NodeState = Omit<Node, 'name' | 'provider' | 'rev' | 'autoProvisioned' | 'createdAt'>

export function insertNode(sql: Sql, node: Node): boolean {
  const query = `${insertion('nodes', WHOLE)} on conflict do nothing`
  return sql.run(query, ...valuesOf({ ...node, wakes: 0 }, WHOLE)) === 1
}

export function readNode(sql: Sql, name: string): ReadNode | undefined {
  const row = sql.one('select * from nodes where name = ?', name)
  return row && objectOf<ReadNode>(row, WHOLE)
}

/** Every node that is not gone, or every one. */
export function readNodes(sql: Sql, all = false): ReadNode[] {
  const where = all ? '1 = 1' : "status not in ('destroyed', 'failed') or wake_at is not null"
  const rows = sql.all(`select * from nodes where ${where} order by created_at, name`)
  return readable(rows, row => objectOf<ReadNode>(row, WHOLE))
}

/** Writes an outcome of the node's journey over what was `seen`; false when another write came first. */
export function updateNode(sql: Sql, seen: ReadNode, state: NodeState, now: number): number | null | false {
  const stored = sql.one('select rev, wakes from nodes where name = ?', seen.name)
  if (stored?.rev !== seen.rev) return false
  const wakeAt = state.wakeAt === null ? null : stored.wakes === seen.wakes ? state.wakeAt : now
  sql.run(UPDATE, ...valuesOf({ ...state, wakeAt }, STATE), seen.name)
  return wakeAt
}

export function wakeNode(sql: Sql, name: string, at: number): boolean {
  const query = 'update nodes set wakes = wakes + 1, wake_at = min(wake_at, ?) where name = ? and wake_at is not null'
  return sql.run(query, at, name) === 1
}

/** Wakes it, and forgets when it was last asked who it is: it will be asked at once. */
export function suspectNode(sql: Sql, name: string, at: number): boolean {
  sql.run("update nodes set facts = json_remove(facts, '$.pulledAt') where name = ?", name)
  return wakeNode(sql, name, at)
}

export function deleteNode(sql: Sql, name: string): void {
  sql.run('delete from nodes where name = ?', name)
  sql.run('delete from heartbeats where node_name = ?', name)
}

export function writeHeartbeat(sql: Sql, name: string, beat: Heartbeat): void {
  sql.run(HEARD, name, ...valuesOf(beat, BEAT))
}

const BEAT = fields('at cpuPercent memoryPercent diskPercent')
const HEARD = `${insertion('heartbeats', [...fields('nodeName'), ...BEAT])}
  on conflict (node_name) do update set ${BEAT.map(({ column }) => `${column} = excluded.${column}`).join(', ')}`

export function readHeartbeat(sql: Sql, name: string): Heartbeat | null {
  return readHeartbeats(sql, name).get(name) ?? null
}

/** The last heartbeat of every node, or of one. */
export function readHeartbeats(sql: Sql, name?: string): Map<string, Heartbeat> {
  const rows = sql.all('select * from heartbeats where ? is null or node_name = ?', name ?? null, name ?? null)
  return new Map(rows.map(row => [String(row.node_name), objectOf<Heartbeat>(row, BEAT)]))
}

export function countNodes(sql: Sql): Record<string, number> {
  const rows = sql.all('select status, count(*) as count from nodes group by 1')
  return Object.fromEntries(rows.map(row => [String(row.status), Number(row.count)]))
}

/** Live tasks on the node of the daemon's own machine. */
export function liveOnLocal(sql: Sql): string[] {
  const query = `select a.task_id from attempts a join nodes n on n.name = a.node_name where a.live = 1 and n.provider = 'local'`
  return sql.all(query).map(row => String(row.task_id))
}
