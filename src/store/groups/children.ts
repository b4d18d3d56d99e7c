/** Tasks that agents of other tasks have handed over, and what those agents ask for: a row a call, by the node's name for it. */
import { columnsOf, fields, holes, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface Child {
  taskId: string
  parent: string
  /** The task at the top, which no agent handed over. */
  root: string
}

const CHILD = fields('taskId parent root')

/** Inside the write that makes the task. */
export function insertChild(sql: Sql, child: Child): void {
  sql.run(`insert into children (${columnsOf(CHILD)}) values (${holes(CHILD)})`, ...valuesOf(child, CHILD))
}

export function readChild(sql: Sql, taskId: string): Child | undefined {
  const row = sql.one('select * from children where task_id = ?', taskId)
  return row && objectOf<Child>(row, CHILD)
}

/** The ids of those that the agent of a task handed over, oldest first. */
export function childrenOf(sql: Sql, parent: string): string[] {
  const query = 'select c.task_id from children c join tasks t on t.id = c.task_id where c.parent = ? order by t.number'
  return sql.all(query, parent).map(row => String(row.task_id))
}

/** The ids of all tasks below one that no agent handed over, also of those that were removed since. */
export function descendantsOf(sql: Sql, root: string): string[] {
  return sql.all('select task_id from children where root = ?', root).map(row => String(row.task_id))
}

/** After a task was removed: what it was counts for the one at the top for as long as that is there. */
export function dropChildren(sql: Sql, id: string): void {
  const query = `delete from children where (task_id = ? or root = ?)
    and not exists (select 1 from tasks t where t.id in (children.task_id, children.root))`
  sql.run(query, id, id)
}

/** *open*: to be done; *answered*: the answer is on its way to the node; *delivered*: it is there, or nobody waits for it. */
export interface AgentCall {
  workspaceId: string
  requestId: string
  taskId: string
  attempt: number
  sessionId: string
  tool: string
  /** JSON. */
  input: string
  state: 'open' | 'answered' | 'delivered'
  answer: string | null
  isError: boolean
  at: number
  dueAt: number
  tries: number
}

const CALL = fields(
  'workspaceId requestId taskId attempt sessionId tool input state answer at dueAt tries',
  '',
  'isError',
)
const read = (row: Row) => objectOf<AgentCall>(row, CALL)

export function readCall(sql: Sql, workspaceId: string, requestId: string): AgentCall | undefined {
  const row = sql.one('select * from agent_calls where workspace_id = ? and request_id = ?', workspaceId, requestId)
  return row && read(row)
}

export function addCall(sql: Sql, call: Omit<AgentCall, 'state' | 'answer' | 'isError' | 'dueAt' | 'tries'>): void {
  const row = { ...call, state: 'open', answer: null, isError: false, dueAt: call.at, tries: 0 }
  sql.run(`insert into agent_calls (${columnsOf(CALL)}) values (${holes(CALL)})`, ...valuesOf(row, CALL))
}

/** How many calls came from a workspace, and the characters of what they say. */
export function callAmount(sql: Sql, workspaceId: string): { calls: number; characters: number } {
  const query =
    'select count(*) as calls, coalesce(sum(length(input)), 0) as characters from agent_calls where workspace_id = ?'
  const row = sql.one(query, workspaceId)
  return { calls: Number(row?.calls), characters: Number(row?.characters) }
}

export function dueCalls(sql: Sql, now: number, limit: number): AgentCall[] {
  const query = "select * from agent_calls where state in ('open', 'answered') and due_at <= ? order by due_at limit ?"
  return readable(sql.all(query, now, limit), read)
}

/** False when it is in another state by now: then nothing was changed. */
export function changeCall(
  sql: Sql,
  { workspaceId, requestId, ...seen }: AgentCall,
  change: Partial<Pick<AgentCall, 'state' | 'answer' | 'isError' | 'dueAt' | 'tries'>>,
): boolean {
  const next = { ...seen, ...change }
  const query = `update agent_calls set state = ?, answer = ?, is_error = ?, due_at = ?, tries = ?
    where workspace_id = ? and request_id = ? and state = ?`
  const values = [next.state, next.answer, next.isError ? 1 : 0, next.dueAt, next.tries]
  return sql.run(query, ...values, workspaceId, requestId, seen.state) === 1
}
