/** Results and logs: the difference, a bundle to fetch, and what the agent wrote. All from our own copy once it is home. */
import { createReadStream } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { LOG_CHUNK_BYTES_MAX } from '../../src/protocol/limits.ts'
import { readNode } from '../../src/store/nodes.ts'
import { readWorkspace } from '../../src/store/slots.ts'
import type { Task } from '../../src/task.ts'
import type { RunningEngine } from '../build-engine.ts'
import { findTask } from '../find-task.ts'
import { removeTask } from '../remove-task.ts'
import { bundleResult, writeDiff, writeLog } from '../results/read.ts'
import { taskJson } from '../view/task-json.ts'
import type { Control } from './control-parts.ts'

const LOG_TIMEOUT_MS = 10_000

export function resultRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store, world } = engine
  const { results } = parts
  const app = new Hono()
  const scratch = () => path.join(parts.stateDir, 'downloads', `send-${world.random.bytes(8).toString('hex')}`)

  app.get('/tasks/:task/diff', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const file = scratch()
    await writeDiff(await results.of(task), task, c.req.query('stat') === 'true', file)
    return sendFile(file, 'text/plain; charset=utf-8')
  })

  app.get('/tasks/:task/bundle', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const file = scratch()
    const have = (c.req.queries('have') ?? []).filter(oid => /^[0-9a-f]{40,64}$/.test(oid))
    const isNew = await bundleResult(await results.of(task), task, have, file)
    return isNew ? sendFile(file, 'application/octet-stream') : c.body(null, 204)
  })

  app.delete('/tasks/:task', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    await removeTask(engine, task, await results.of(task), c.req.raw.signal)
    return c.json(taskJson(store.sql, task))
  })

  app.get('/tasks/:task/logs', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const after = Math.max(Number(c.req.query('after') ?? 0) || 0, 0)
    const { bytes, next } = await logOf(engine, parts, {
      task,
      after,
      session: c.req.query('session') ?? null,
      signal: c.req.raw.signal,
    })
    c.header('x-next-offset', String(next))
    c.header('content-type', 'application/octet-stream')
    return c.body(new Uint8Array(bytes))
  })
  return app
}

interface Wanted {
  task: Task
  after: number
  session: string | null
  signal: AbortSignal
}

interface Chunk {
  bytes: Buffer
  next: number
}

/** While the workspace stands its agent has the log; afterwards it is in the result. */
async function logOf(engine: RunningEngine, parts: Control, { task, after, session, signal }: Wanted): Promise<Chunk> {
  const workspace = task.workspaceId === null ? undefined : readWorkspace(engine.store.sql, task.workspaceId)
  if (task.facts.saved || !workspace || workspace.releasedAt !== null) return savedLog(parts, task, after)
  const node = readNode(engine.store.sql, workspace.nodeName)
  if (!node) return { bytes: Buffer.alloc(0), next: after }
  const agent = await engine.agents.of(node, signal, LOG_TIMEOUT_MS)
  const which = session ?? (task.step === 'workspace_ready' ? 'setup' : task.sessionId)
  try {
    return await agent.logs(workspace.id, which, after)
  } catch {
    return { bytes: Buffer.alloc(0), next: after }
  }
}

async function savedLog({ results, stateDir }: Control, task: Task, after: number): Promise<Chunk> {
  const file = path.join(stateDir, 'downloads', `log-${task.id}-${task.attempt}`)
  try {
    if (!(await writeLog(await results.of(task), task, file))) return { bytes: Buffer.alloc(0), next: after }
    const { size } = await stat(file)
    const bytes = Buffer.alloc(Math.max(Math.min(size - after, LOG_CHUNK_BYTES_MAX), 0))
    const handle = await open(file)
    await handle.read(bytes, 0, bytes.length, after)
    await handle.close()
    return { bytes, next: after + bytes.length }
  } finally {
    await rm(file, { force: true })
  }
}

/** Streams a file and removes it afterwards, however the stream ends. */
function sendFile(file: string, type: string): Response {
  const source = createReadStream(file)
  source.on('close', () => void rm(file, { force: true }))
  return new Response(Readable.toWeb(source) as ReadableStream, { headers: { 'content-type': type } })
}
