/** Edges: one row for each task that another one waits for. `met` is the attempt of the predecessor that let the other go on. */
import type { AttemptKey } from '../../core/task.ts'
import { columnsOf, fields, holes, objectOf, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface Edge {
  taskId: string
  predecessor: string
  position: number
  /** *must*: the task begins from the saved work of the predecessor; *may*: where that is completed; null: it only waits for it. */
  gives: 'must' | 'may' | null
  met: number | null
}

const TABLE = fields('taskId predecessor position gives met')
const INSERTION = `insert into edges (${columnsOf(TABLE)}) values (${holes(TABLE)})`
const read = (row: Row) => objectOf<Edge>(row, TABLE)

/** Both tasks have to be there. */
export function insertEdge(sql: Sql, edge: Edge): void {
  sql.run(INSERTION, ...valuesOf(edge, TABLE))
}

/** What the task waits for, in the order in which it was asked for. */
export function edgesOf(sql: Sql, taskId: string): Edge[] {
  return sql.all('select * from edges where task_id = ? order by position', taskId).map(read)
}

/** Of the tasks that wait for this one, or did. */
export function edgesTo(sql: Sql, predecessor: string): Edge[] {
  return sql.all('select * from edges where predecessor = ? order by task_id', predecessor).map(read)
}

/** Whether the end of this attempt may mean something for others: it is the newest of a task in a group, or of one that others wait for. */
export function concernsOthers(sql: Sql, { id, attempt }: AttemptKey): boolean {
  return sql.one(CONCERN, id, attempt) !== undefined
}

const CONCERN = `select 1 as found from tasks t where t.id = ? and t.attempt = ?
  and (exists (select 1 from members where task_id = t.id) or exists (select 1 from edges where predecessor = t.id))`

export function meetEdge(sql: Sql, { taskId, predecessor }: Edge, attempt: number): void {
  sql.run('update edges set met = ? where task_id = ? and predecessor = ?', attempt, taskId, predecessor)
}

export function hasUnmet(sql: Sql, taskId: string): boolean {
  return sql.one('select 1 as found from edges where task_id = ? and met is null limit 1', taskId) !== undefined
}

/** Whether a task waits for another one, or for one that does. */
export function waitsFor(sql: Sql, taskId: string, other: string): boolean {
  return sql.one(WAITS, taskId, other) !== undefined
}

const WAITS = `with recursive before (id) as (
    select predecessor from edges where task_id = ? and met is null
    union select e.predecessor from edges e join before b on e.task_id = b.id where e.met is null
  ) select 1 as found from before where id = ?`

/** A task that waits for this one, or is still to be given its work; undefined when there is none. */
export function successorOf(sql: Sql, predecessor: string): string | undefined {
  const row = sql.one(
    `select e.task_id from edges e
     join tasks t on t.id = e.task_id
     join attempts a on a.task_id = t.id and a.attempt = t.attempt
     where e.predecessor = ? and a.live = 1 and json_extract(a.facts, '$.awaits') is not null
     order by t.number limit 1`,
    predecessor,
  )
  return row && String(row.task_id)
}

/** Before a task is removed: those that waited for it went on long ago. */
export function dropEdges(sql: Sql, id: string): void {
  sql.run('delete from edges where task_id = ? or predecessor = ?', id, id)
}
