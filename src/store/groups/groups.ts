/** Groups of tasks: their name, how many of one may run at once, and its members, each by a key that is there once. */
import { columnsOf, fields, holes, objectOf, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

/** *each*: a task for each line of a list; *race*: several tries at one thing, of which one wins; *set*: whatever was put into it. */
export type GroupKind = 'each' | 'race' | 'set'

export interface Group {
  name: string
  kind: GroupKind
  /** How many of its members may go on at once; null: all of them. */
  atMost: number | null
}

/** A group as it is stored. */
export interface StoredGroup extends Group {
  /** The id of the member that won, once and for all; null: none did until now. */
  winner: string | null
}

export interface Member {
  taskId: string
  groupName: string
  key: string | null
  position: number
  /** Whether it is one of the `atMost` that go on, or waits for its turn; null: neither. */
  turn: 'has' | 'waits' | null
}

const TABLE = fields('taskId groupName key position turn')
const INSERTION = `insert into members (${columnsOf(TABLE)}) values (${holes(TABLE)})`

/** The group with this name; a new limit counts from now on. */
export function openGroup(sql: Sql, { name, kind, atMost }: Group, now: number): void {
  sql.run(
    `insert into task_groups (name, kind, at_most, created_at) values (?, ?, ?, ?)
     on conflict (name) do update set at_most = coalesce(excluded.at_most, at_most)`,
    ...[name, kind, atMost, now],
  )
}

export function insertMember(sql: Sql, taskId: string, groupName: string, key: string | null): void {
  const last = sql.one('select coalesce(max(position), 0) as last from members where group_name = ?', groupName)
  const member: Member = { taskId, groupName, key, position: Number(last?.last ?? 0) + 1, turn: null }
  sql.run(INSERTION, ...valuesOf(member, TABLE))
}

export function memberOf(sql: Sql, taskId: string): (Member & StoredGroup) | undefined {
  const query = `select m.*, ${columnsOf(GROUP, 'g.')} from members m join task_groups g on g.name = m.group_name where m.task_id = ?`
  const row = sql.one(query, taskId)
  return row && objectOf<Member & StoredGroup>(row, MEMBER)
}

const GROUP = fields('name kind atMost winner')
const MEMBER = [...TABLE, ...GROUP]

export function readGroup(sql: Sql, name: string): StoredGroup | undefined {
  const row = sql.one(`select ${columnsOf(GROUP)} from task_groups where name = ?`, name)
  return row && objectOf<StoredGroup>(row, GROUP)
}

/** The ids of the members of a group, in the order in which they were put into it. */
export function membersOf(sql: Sql, name: string): string[] {
  return sql
    .all('select task_id from members where group_name = ? order by position', name)
    .map(row => String(row.task_id))
}

/** False when one has won before: then nothing was changed. */
export function setWinner(sql: Sql, name: string, taskId: string): boolean {
  return sql.run('update task_groups set winner = ? where name = ? and winner is null', taskId, name) === 1
}

/** What the agents of the others in the group of a task have cost by now, in USD. */
export function costOfOthers(sql: Sql, taskId: string): number {
  const query = `select coalesce(sum(json_extract(a.usage, '$.costUsd')), 0) as cost from members m
    join members o on o.group_name = m.group_name and o.task_id <> m.task_id
    join attempts a on a.task_id = o.task_id where m.task_id = ?`
  return Number(sql.one(query, taskId)?.cost)
}

/** How many members of a group are over, by status. */
export function endedMembers(sql: Sql, name: string): Record<string, number> {
  const query = `select a.status, count(*) as count from members m join tasks t on t.id = m.task_id
    join attempts a on a.task_id = t.id and a.attempt = t.attempt
    where m.group_name = ? and a.status in ('completed', 'failed', 'cancelled') group by a.status`
  return Object.fromEntries(sql.all(query, name).map(row => [String(row.status), Number(row.count)]))
}

/** What the agents of all members have cost, in USD; null where none of them says. */
export function costOfGroup(sql: Sql, name: string): number | null {
  const query = `select sum(json_extract(a.usage, '$.costUsd')) as cost from members m
    join attempts a on a.task_id = m.task_id where m.group_name = ?`
  const cost = sql.one(query, name)?.cost
  return cost === null || cost === undefined ? null : Number(cost)
}

/** The task that was made for this key of the group. */
export function taskOfMember(sql: Sql, groupName: string, key: string): string | undefined {
  const row = sql.one('select task_id from members where group_name = ? and key = ?', groupName, key)
  return row && String(row.task_id)
}

/** True where the task may go on; else it is among those that wait for their turn. */
export function takeTurn(sql: Sql, taskId: string): boolean {
  const member = memberOf(sql, taskId)
  if (!member || member.atMost === null) return true
  const mayGo = member.turn === 'has' || roomIn(sql, member.groupName, member.atMost) > 0
  sql.run('update members set turn = ? where task_id = ?', mayGo ? 'has' : 'waits', taskId)
  return mayGo
}

/** The task goes on no more; answers the members whose turn it is now, the earliest first. */
export function endTurn(sql: Sql, taskId: string): string[] {
  const member = memberOf(sql, taskId)
  if (!member || member.atMost === null) return []
  sql.run('update members set turn = null where task_id = ?', taskId)
  return nextTurns(sql, member.groupName, member.atMost)
}

/** The members for which there is room and that wait for their turn, the earliest first. */
function nextTurns(sql: Sql, groupName: string, atMost: number): string[] {
  const room = Math.max(roomIn(sql, groupName, atMost), 0)
  const query = `select task_id from members where group_name = ? and turn = 'waits' order by position limit ?`
  return sql.all(query, groupName, room).map(row => String(row.task_id))
}

function roomIn(sql: Sql, groupName: string, atMost: number): number {
  const query = `select count(*) as count from members where group_name = ? and turn = 'has'`
  return atMost - Number(sql.one(query, groupName)?.count)
}
