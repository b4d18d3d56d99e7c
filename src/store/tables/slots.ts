/**
 * Slots: a node's room for workspaces. A reservation holds one from the placement pass until the workspace is placed;
 * a placed workspace holds it until its cleanup releases it. Placing is guarded: two tasks never share the last slot.
 */
import { TdfError } from '../../core/errors.ts'
import type { AttemptKey } from '../../core/task.ts'
import { chargeMachine } from '../spending/machines.ts'
import { fields, insertion, objectOf, TASK_ID, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

export interface Reservation extends AttemptKey {
  nodeName: string
}

export interface Workspace {
  id: string
  taskId: string
  attempt: number
  placement: number
  nodeName: string
  status: string
}

const RESERVATION = [TASK_ID, ...fields('attempt nodeName')]
const PLACED = fields('id taskId attempt placement nodeName status')

/** Slots in use on each node. */
export function slotsInUse(sql: Sql): Map<string, number> {
  const rows = sql.all(
    `select node_name, count(*) as used from (
       select node_name from workspaces where released_at is null
       union all select node_name from reservations) group by 1`,
  )
  return new Map(rows.map(row => [String(row.node_name), Number(row.used)]))
}

/** Slots of a node that a reservation or a task that is not parked holds. */
export function slotsAtWork(sql: Sql, nodeName: string): number {
  const query = `
    select (select count(*) from workspaces w left join attempts a on a.task_id = w.task_id and a.attempt = w.attempt
      where w.released_at is null and w.node_name = ? and a.status is not 'parked')
    + (select count(*) from reservations where node_name = ?) as used`
  return Number(sql.one(query, nodeName, nodeName)?.used)
}

/** Workspaces whose tasks are parked in them beyond `now` (Unix ms), by node. */
export function restingWorkspaces(sql: Sql, now: number): Map<string, number> {
  const rows = sql.all(
    `select w.node_name, count(*) as resting from workspaces w
     join attempts a on a.task_id = w.task_id and a.attempt = w.attempt
     where w.released_at is null and a.status = 'parked' and a.step = 'agent_session' and a.parked_until > ?
     group by 1`,
    now,
  )
  return new Map(rows.map(row => [String(row.node_name), Number(row.resting)]))
}

export interface SlotHolder {
  taskId: string
  status: string
  step: string | null
}

/** The tasks that hold the slots of a node, the oldest first. */
export function slotHolders(sql: Sql, nodeName: string): SlotHolder[] {
  const query = `select a.task_id, a.status, a.step from attempts a join (
      select task_id, attempt, created_at from workspaces where released_at is null and node_name = ?
      union all select task_id, attempt, created_at from reservations where node_name = ?) s
    on s.task_id = a.task_id and s.attempt = a.attempt order by s.created_at, a.task_id`
  return sql.all(query, nodeName, nodeName).map(row => objectOf(row, HOLDER))
}

const HOLDER = fields('taskId status step')

export function reserve(sql: Sql, reservation: Reservation, now: number): boolean {
  return sql.run(RESERVE, ...valuesOf(reservation, RESERVATION), now) === 1
}

const RESERVE =
  'insert into reservations (task_id, attempt, node_name, created_at) values (?, ?, ?, ?) on conflict do nothing'

export function reservationOf(sql: Sql, key: AttemptKey): Reservation | undefined {
  const row = sql.one('select node_name from reservations where task_id = ? and attempt = ?', key.id, key.attempt)
  return row && { ...key, nodeName: String(row.node_name) }
}

export function dropReservation(sql: Sql, key: AttemptKey): boolean {
  return sql.run('delete from reservations where task_id = ? and attempt = ?', key.id, key.attempt) > 0
}

/** Attempts that hold a reservation on a node. */
export function reservedOn(sql: Sql, nodeName: string): AttemptKey[] {
  return sql
    .all('select task_id, attempt from reservations where node_name = ?', nodeName)
    .map(row => ({ id: String(row.task_id), attempt: Number(row.attempt) }))
}

/** Reservations on nodes of which there is no machine yet, and on boxes that have not answered yet. */
export function reservedOnOrders(sql: Sql): Reservation[] {
  const query = `select r.task_id, r.attempt, r.node_name from reservations r join nodes n on n.name = r.node_name
    where n.status in ('ordered', 'creating') and n.deadline_at is null
       or n.status = 'booting' and n.auto_provisioned = 0`
  return sql.all(query).map(row => objectOf(row, RESERVATION))
}

/**
 * Turns a reservation into a placed workspace. Throws PLACEMENT_LOST, undoing the whole outcome, when the node takes
 * no work any more or the reservation is gone. Placing the same id again changes nothing.
 */
export function placeWorkspace(sql: Sql, workspace: Workspace, now: number): void {
  if (readWorkspace(sql, workspace.id)) return
  const { taskId, attempt, nodeName } = workspace
  const free = sql.one(FREE, taskId, attempt, nodeName)
  if (!free) throw new TdfError('PLACEMENT_LOST', `${nodeName} had no slot left for ${taskId}`)
  if (free.price_per_hour !== null) chargeMachine(sql, nodeName, now)
  dropReservation(sql, { id: taskId, attempt })
  sql.run(PLACE, ...valuesOf(workspace, PLACED), now)
}

const FREE = `select n.price_per_hour from nodes n join reservations r on r.node_name = n.name and r.task_id = ? and r.attempt = ?
  where n.name = ? and n.status in ('ready', 'warm')`
const PLACE = `${insertion('workspaces', [...PLACED, ...fields('createdAt')])} on conflict do nothing`

export function setWorkspaceStatus(sql: Sql, id: string, status: string): void {
  sql.run('update workspaces set status = ? where id = ?', status, id)
}

/** Frees the slot. The row stays, so that a late call of the workspace is still known. */
export function releaseWorkspace(sql: Sql, id: string, now: number): boolean {
  const paid = sql.one(PAID, id)
  if (paid) chargeMachine(sql, String(paid.node_name), now)
  const query = "update workspaces set released_at = ?, status = 'deleted' where id = ? and released_at is null"
  return sql.run(query, now, id) === 1
}

const PAID = `select w.node_name from workspaces w join nodes n on n.name = w.node_name
  where w.id = ? and w.released_at is null and n.price_per_hour is not null`

export function readWorkspace(sql: Sql, id: string): (Workspace & { releasedAt: number | null }) | undefined {
  const row = sql.one('select * from workspaces where id = ?', id)
  return row && objectOf(row, WORKSPACE)
}

const WORKSPACE = [...PLACED, ...fields('releasedAt')]

/**
 * What the machines cost while workspaces of the task stood on them, up to `until`; null when none has a price. Tasks
 * that shared a machine each count it.
 */
export function machineCost(sql: Sql, taskId: string, until: number): number | null {
  const query = `select sum((coalesce(w.released_at, ?) - w.created_at) * n.price_per_hour) / 3600000.0 as cost
    from workspaces w join nodes n on n.name = w.node_name where w.task_id = ?`
  const row = sql.one(query, until, taskId)
  return typeof row?.cost === 'number' ? Math.max(row.cost, 0) : null
}

/** Workspaces that occupy a slot, on one node or on all. */
export function liveWorkspaces(sql: Sql, nodeName?: string): Workspace[] {
  const where = nodeName === undefined ? '1 = 1 or ? is null' : 'node_name = ?'
  return sql
    .all(`select id from workspaces where released_at is null and (${where})`, nodeName ?? null)
    .flatMap(row => readWorkspace(sql, String(row.id)) ?? [])
}
