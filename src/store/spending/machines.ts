/**
 * What machines cost: each slice of time is counted once, to the tasks that have a place there, in equal shares, or to none.
 * A slice ends where a task comes or goes, so that who shares it never changes within it.
 */
import type { Sql } from '../sqlite/sql.ts'
import { addSpending, QUARTER_MS, type Spender } from './spending.ts'

const HOUR_MS = 3_600_000
/** Rows of one slice for one task: a machine that nothing was heard of for longer has coarser ones. */
const PIECES_MAX = 3_000

const NO_TASK = { taskId: '', attempt: 0, agent: '', model: '', labels: {} }

/**
 * Inside a write: counts the machine up to `now` (Unix ms), from when its price became known. With `isGone` the hour
 * that was begun is counted to its end, as providers charge it; after that nothing is counted again.
 */
export function chargeMachine(sql: Sql, node: string, now: number, isGone = false): void {
  const row = sql.one('select price_per_hour, paid_from, paid_until from nodes where name = ?', node)
  if (typeof row?.price_per_hour !== 'number') return
  const { price_per_hour: price, paid_from: from } = row
  if (typeof from !== 'number') {
    sql.run('update nodes set paid_from = ?, paid_until = ? where name = ?', now, now, node)
    return
  }
  const until = Number(row.paid_until)
  // A clock that was set back counts nothing twice.
  if (now > until) chargeTasks(sql, { node, price, from: until, until: now })
  const paid = isGone ? from + Math.ceil(Math.max(now - from, 1) / HOUR_MS) * HOUR_MS : Math.max(now, until)
  if (paid > Math.max(now, until)) {
    const rest = { node, price, from: Math.max(now, until), until: paid }
    addSpending(sql, { ...NO_TASK, node }, spentOn(rest, 1), now)
  }
  if (paid > until) sql.run('update nodes set paid_until = ? where name = ?', paid, node)
}

/** Inside a write: every machine that has a price. */
export function chargeMachines(sql: Sql, now: number): void {
  for (const { name } of pricedNodes(sql)) chargeMachine(sql, name, now)
}

/** Machines that are paid for, and until when they are counted. */
export function pricedNodes(sql: Sql): { name: string; pricePerHour: number; paidFrom: number }[] {
  const query = `select name, price_per_hour, coalesce(paid_from, updated_at) as paid_from from nodes
    where price_per_hour is not null and status <> 'destroyed'`
  return sql.all(query).map(row => ({
    name: String(row.name),
    pricePerHour: Number(row.price_per_hour),
    paidFrom: Number(row.paid_from),
  }))
}

/**
 * What an hour of a machine costs at most, by those that there were; and what is paid already and not counted: the rest of
 * each hour that was begun, and the first one of each that is ordered.
 */
export function chargedHours(sql: Sql, now: number): { hourCost: number; committedCost: number } {
  const hourCost = Number(sql.one('select max(price_per_hour) as most from nodes')?.most ?? 0)
  const ordered = sql.one(
    `select count(*) as count from nodes
     where auto_provisioned = 1 and price_per_hour is null and status not in ('destroyed', 'failed')`,
  )
  const begun = pricedNodes(sql).map(({ pricePerHour, paidFrom }) => {
    const elapsedMs = Math.max(now - paidFrom, 0)
    return (pricePerHour * (HOUR_MS - (elapsedMs % HOUR_MS))) / HOUR_MS
  })
  return { hourCost, committedCost: begun.reduce((sum, one) => sum + one, Number(ordered?.count) * hourCost) }
}

interface Slice {
  node: string
  price: number
  from: number
  until: number
}

function chargeTasks(sql: Sql, slice: Slice): void {
  const spenders = tasksOn(sql, slice.node)
  const pieceMs = Math.max(QUARTER_MS, Math.ceil((slice.until - slice.from) / PIECES_MAX))
  for (let from = slice.from; from < slice.until; ) {
    const until = Math.min(Math.floor(from / pieceMs) * pieceMs + pieceMs, slice.until)
    const spent = spentOn({ ...slice, from, until }, Math.max(spenders.length, 1))
    for (const spender of spenders.length > 0 ? spenders : [{ ...NO_TASK, node: slice.node }]) {
      addSpending(sql, spender, spent, from)
    }
    from = until
  }
}

const spentOn = ({ price, from, until }: Slice, shares: number) => ({
  inputTokens: 0,
  outputTokens: 0,
  costUsd: null,
  machineCost: (price * (until - from)) / HOUR_MS / shares,
})

function tasksOn(sql: Sql, node: string): Spender[] {
  return sql.all(TASKS, node).map(row => ({
    taskId: String(row.task_id),
    attempt: Number(row.attempt),
    agent: String(row.agent ?? ''),
    model: String(row.model ?? ''),
    node,
    labels: JSON.parse(String(row.labels ?? '{}')) as Record<string, string>,
  }))
}

const TASKS = `select w.task_id, w.attempt, json_extract(t.spec, '$.agent.name') as agent,
    coalesce(json_extract(a.facts, '$.session.model'), json_extract(t.spec, '$.agent.model')) as model,
    json_extract(t.spec, '$.labels') as labels
  from workspaces w join tasks t on t.id = w.task_id
  left join attempts a on a.task_id = w.task_id and a.attempt = w.attempt
  where w.released_at is null and w.node_name = ? order by 1, 2`
