/** What sessions print: from the node while the workspace stands, from our own copy afterwards. */
import { Hono } from 'hono'
import type { AgentClient } from '../../../src/clients/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { SETUP_SESSION, sessionsOf, type Task } from '../../../src/core/task.ts'
import { readNode } from '../../../src/store/tables/nodes.ts'
import { readWorkspace } from '../../../src/store/tables/slots.ts'
import type { RunningEngine } from '../../build.ts'
import { timesOf } from '../../results/logs.ts'
import { findTask } from '../tasks/find.ts'

const LOOK_MS = 10_000
const NOTHING = Buffer.alloc(0)

export function logRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()

  /** When which byte of it was written, as lines `MS OFFSET`; empty where it was not noted. */
  app.get('/tasks/:task/log-times', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const bytes = await timesOfLog(engine, task, sessionOf(task, c.req.query('session')), c.req.raw.signal)
    c.header('content-type', 'application/octet-stream')
    return c.body(bytes as Uint8Array<ArrayBuffer>)
  })

  /** Answers at most a chunk, and in `x-next-offset` where to go on. Empty when there is no more now. */
  app.get('/tasks/:task/logs', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const after = Number(c.req.query('after') ?? 0)
    if (!Number.isSafeInteger(after) || after < 0) {
      throw new TdfError('BAD_REQUEST', 'after: it must be a number of bytes', { field: 'after' })
    }
    const bytes = await logOf(engine, task, sessionOf(task, c.req.query('session')), after, c.req.raw.signal)
    c.header('x-next-offset', String(after + bytes.length))
    c.header('content-type', 'application/octet-stream')
    // Plain memory, as every buffer that is read into; a copy of it would only be more to collect.
    return c.body(bytes as Uint8Array<ArrayBuffer>)
  })
  return app
}

/** The newest run of the agent; before the first there may be the setup. Throws NOT_FOUND for one that never was. */
function sessionOf(task: Task, wanted: string | undefined): string {
  if (wanted === undefined) return task.sessionId ?? SETUP_SESSION
  const named = wanted === 'check' && task.sessionId !== null ? `${task.sessionId}-check` : wanted
  const known = [SETUP_SESSION, ...sessionsOf(task)]
  if (known.includes(named)) return named
  throw new TdfError('NOT_FOUND', `task ${task.id} has no session "${wanted}"; it has ${known.join(', ')}`, {
    hint: `tdf logs ${task.id}`,
  })
}

function logOf(
  engine: RunningEngine,
  task: Task,
  session: string,
  after: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const fromNode: FromNode = (agent, workspaceId) => agent.logs(workspaceId, session, after)
  return either(engine, task, signal, fromNode, () => engine.results.logs.read(task, session, after))
}

function timesOfLog(engine: RunningEngine, task: Task, session: string, signal: AbortSignal): Promise<Buffer> {
  const fromNode: FromNode = (agent, workspaceId) => agent.logTimes(workspaceId, session, 0)
  return either(engine, task, signal, fromNode, () => engine.results.logs.read(task, timesOf(session), 0))
}

type FromNode = (agent: AgentClient, workspaceId: string) => Promise<{ bytes: Buffer }>

async function either(
  engine: RunningEngine,
  task: Task,
  signal: AbortSignal,
  fromNode: FromNode,
  fromUs: () => Promise<Buffer | undefined>,
): Promise<Buffer> {
  const { store, agents } = engine
  const workspace = task.workspaceId === null ? undefined : readWorkspace(store.sql, task.workspaceId)
  const node = workspace && workspace.releasedAt === null ? readNode(store.sql, workspace.nodeName) : undefined
  if (workspace && node) {
    try {
      const agent = await agents.of(node, signal, LOOK_MS)
      return (await fromNode(agent, workspace.id)).bytes
    } catch (thrown) {
      // It may just have been deleted, or its node may be away: what we have is the answer then.
      engine.log.debug({ task: task.id, err: String(thrown) }, 'the log cannot be had from the node')
    }
  }
  return (await fromUs()) ?? NOTHING
}
