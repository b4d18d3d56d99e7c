/**
 * Calls of agents (`submit --may-spawn`), from the row to the answer at its node: each is done once, and its answer is brought until
 * the node has it. What a call may do is decided here, whatever the node or the agent says.
 */
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { isOver, isTerminal } from '../../../src/core/task.ts'
import { isSpawnTool, SPAWN_TOOLS, type SpawnTool } from '../../../src/protocol/callbacks.ts'
import { type AgentCall, changeCall, childrenOf, dueCalls } from '../../../src/store/groups/children.ts'
import { type ReadTask, readAttempt, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { readNode } from '../../../src/store/tables/nodes.ts'
import { quotedLines, shortLine } from '../../../src/text/tasks.ts'
import type { RunningEngine } from '../../build.ts'
import { writeDiff } from '../../results/bundles.ts'
import type { GitResults } from '../../results/git-results.ts'
import { createTries, type Tries } from '../../results/push/tries.ts'
import { submitChild } from './child.ts'

const AT_ONCE_MAX = 8
const WAIT_MS = 40_000
const LOOK_MS = 1_000
const RETRY_MS_MAX = 30_000
/** With a mark for each line it fits into an answer, however short its lines are. */
const DIFF_BYTES = 4 * 1024
const SHOWN_MAX = 30
const ANSWER_CHARS_MAX = 15_000

interface Parts {
  engine: RunningEngine
  results: Pick<GitResults, 'of'>
  stateDir: string
}

export function createAgentCalls(
  engine: RunningEngine,
  results: Pick<GitResults, 'of'>,
  stateDir: string,
): Pick<Tries<AgentCall>, 'sweep' | 'stop'> {
  const { store, world } = engine
  return createTries<AgentCall>(engine, {
    name: 'agent-calls',
    atOnceMax: AT_ONCE_MAX,
    keyOf: ({ workspaceId, requestId }) => `${workspaceId} ${requestId}`,
    due: (now, limit) => dueCalls(store.sql, now, limit),
    attempt: (call, signal) =>
      call.state === 'open' ? answer({ engine, results, stateDir }, call) : deliver(engine, call, signal),
    failed: (call, error) => {
      const delayMs = Math.min(LOOK_MS * 2 ** Math.min(call.tries, 10), RETRY_MS_MAX)
      engine.log.warn({ task: call.taskId, tool: call.tool, err: error.message }, 'the call of an agent waits')
      return store.commit(() => {
        changeCall(store.sql, call, { tries: call.tries + 1, dueAt: world.clock.now() + delayMs })
      })
    },
  })
}

/** What is passing is tried again; everything else is an answer. */
async function answer(parts: Parts, call: AgentCall): Promise<void> {
  const { store, world } = parts.engine
  const said = await answerOf(parts, call).catch(thrown => {
    const error = asTdfError(thrown)
    if (error.class !== 'permanent') throw error
    return { isError: true, text: shortLine(error.message, 1_000) }
  })
  await store.commit(() => {
    const dueAt = world.clock.now()
    if (said === null) changeCall(store.sql, call, { dueAt: dueAt + LOOK_MS })
    else changeCall(store.sql, call, { state: 'answered', answer: said.text, isError: said.isError, dueAt, tries: 0 })
  })
}

interface Said {
  isError: boolean
  text: string
}

/** Null: there is none yet. */
async function answerOf(parts: Parts, call: AgentCall): Promise<Said | null> {
  const task = readAttempt(parts.engine.store.sql, { id: call.taskId, attempt: call.attempt })
  if (!task || isTerminal(task.status) || !isSpawnTool(call.tool)) {
    throw new TdfError('WRONG_STATE', `task ${call.taskId} cannot ask for ${call.tool} now`)
  }
  const input = SPAWN_TOOLS[call.tool].input.safeParse(parsed(call.input))
  if (!input.success) throw new TdfError('BAD_REQUEST', `arguments of ${call.tool}: ${input.error.issues[0]?.message}`)
  // The table gives each tool what its own shape has parsed; the compiler cannot see that the two are the same.
  const tool = TOOLS[call.tool] as (one: Call, asked: unknown) => Promise<object | string | null>
  const said = await tool({ ...parts, call, task }, input.data)
  if (said === null) return null
  const text = typeof said === 'string' ? said : JSON.stringify(said)
  return { isError: false, text: text.slice(0, ANSWER_CHARS_MAX) }
}

/** Undefined for what is no JSON: no tool takes that. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Call extends Parts {
  call: AgentCall
  task: ReadTask
}
type Input<Name extends SpawnTool> = ReturnType<(typeof SPAWN_TOOLS)[Name]['input']['parse']>

const TOOLS: { [Name in SpawnTool]: (one: Call, asked: Input<Name>) => Promise<object | string | null> } = {
  async submit_task({ engine, task }, asked) {
    const id = await submitChild(engine, task, asked)
    return { ...standing(child({ engine, task }, id)), next: `wait_tasks with ["${id}"]` }
  },
  async list_tasks({ engine, task }) {
    const ids = childrenOf(engine.store.sql, task.id)
    const shown = ids.slice(-SHOWN_MAX).map(id => child({ engine, task }, id))
    return fitting(say => ({ tasks: shown.map(say), total: ids.length }))
  },
  async wait_tasks({ engine, task, call }, { tasks }) {
    const all = [...new Set(tasks)].map(id => child({ engine, task }, id))
    const isTime = engine.world.clock.now() - call.at >= WAIT_MS
    const over = all.filter(isOver)
    if (over.length === 0 && !isTime) return null
    const waiting = all.filter(one => !isOver(one))
    return fitting(say => ({ ended: over.map(say), waiting: waiting.map(say), allEnded: waiting.length === 0 }))
  },
  async get_diff({ engine, task, results, stateDir }, { task: id, offset = 0 }) {
    const of = child({ engine, task }, id)
    if (!isOver(of)) throw new TdfError('WRONG_STATE', `task ${id} is not over yet: wait_tasks`)
    const name = `spawn-${engine.world.random.bytes(8).toString('hex')}`
    const file = path.join(stateDir, 'downloads', name)
    try {
      await writeDiff(await results.of(of), of, false, file)
      const { text, bytes, end } = await pieceOf(file, offset)
      const head = `bytes ${offset} to ${end} of ${bytes}${end < bytes ? `; go on with offset ${end}` : ''}`
      return `${head}\n${quotedLines(text)}`
    } finally {
      await rm(file, { force: true })
    }
  },
  async cancel_task({ engine, task }, { task: id }) {
    const { id: taskId } = child({ engine, task }, id)
    await engine.signal({ kind: 'cancel', taskId })
    return standing(child({ engine, task }, id))
  },
}

/** One that the agent of this task handed over. Throws NOT_FOUND, the same for every other one. */
function child({ engine: { store }, task }: Pick<Call, 'engine' | 'task'>, id: string): ReadTask {
  const found = childrenOf(store.sql, task.id).includes(id) ? readNewestAttempt(store.sql, id) : undefined
  if (found) return found
  throw new TdfError('NOT_FOUND', `you have handed over no task ${id}`)
}

/** What is cut off is no JSON any more: where all of it is too long, each task is said in short. */
function fitting(answer: (say: (task: ReadTask) => object) => object): object {
  const whole = answer(standing)
  return JSON.stringify(whole).length <= ANSWER_CHARS_MAX ? whole : answer(briefly)
}

const briefly = (task: ReadTask) => {
  const { id, spec, status, verdict } = task
  return { id, title: shortLine(spec.title, 80), status, verdict, isOver: isOver(task) }
}

function standing(task: ReadTask): object {
  const { result, error, waitingFor } = task
  return {
    ...briefly(task),
    ...(isOver(task) ? {} : { waitingFor: waitingFor && shortLine(waitingFor, 120) }),
    ...(result ? { filesChanged: result.filesChanged, summary: result.summary && shortLine(result.summary, 200) } : {}),
    ...(error ? { error: shortLine(error.message, 200) } : {}),
  }
}

/** Whole characters of UTF-8 alone. */
async function pieceOf(file: string, offset: number): Promise<{ text: string; bytes: number; end: number }> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(DIFF_BYTES), 0, DIFF_BYTES, Math.min(offset, size))
    let length = bytesRead
    if (offset + length < size) {
      const line = buffer.lastIndexOf(10, length - 1)
      if (line > 0) length = line + 1
    }
    return { text: buffer.subarray(0, length).toString('utf8'), bytes: size, end: Math.min(offset, size) + length }
  } finally {
    await handle.close()
  }
}

/** Nobody waits for the answer where the session or its workspace is gone. */
async function deliver(engine: RunningEngine, call: AgentCall, signal: AbortSignal): Promise<void> {
  const { store } = engine
  const task = readAttempt(store.sql, { id: call.taskId, attempt: call.attempt })
  const node = task?.nodeName ? readNode(store.sql, task.nodeName) : undefined
  const isAwaited = task && !isTerminal(task.status) && task.workspaceId === call.workspaceId && node
  if (isAwaited) {
    const agent = await engine.agents.of(node, signal)
    const { requestId, isError, answer } = call
    await agent
      .answerRequest(call.workspaceId, call.sessionId, { requestId, isError, text: answer ?? '' })
      .catch(thrown => {
        const { code } = asTdfError(thrown)
        if (code !== 'WORKSPACE_GONE' && code !== 'AGENT_REFUSED') throw thrown
      })
  }
  await store.commit(() => void changeCall(store.sql, call, { state: 'delivered' }))
}
