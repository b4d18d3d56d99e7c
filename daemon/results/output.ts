/** What sessions printed: from the node while the workspace stands, from our own copy afterwards. */
import type { AgentClient } from '../../src/clients/agent.ts'
import { lastPiece } from '../../src/clients/log-end.ts'
import { SETUP_SESSION, type Task } from '../../src/core/task.ts'
import type { FailureJson } from '../../src/protocol/control.ts'
import { TRANSCRIPT_CHARS_MAX } from '../../src/protocol/shapes.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { readWorkspace } from '../../src/store/tables/slots.ts'
import { endOf, type Failing, failureOf } from '../../src/text/failure.ts'
import { renderer } from '../../src/transcript/render.ts'
import type { Engine } from '../services.ts'
import { timesOf } from './logs.ts'

const LOOK_MS = 10_000
const NOTHING = Buffer.alloc(0)

type Reading = Pick<Engine, 'store' | 'agents' | 'results' | 'log'>

/** At most a chunk of a session's output from byte `after` on; empty where there is no more now. */
export function outputOf(engine: Reading, task: Task, session: string, after: number, signal: AbortSignal) {
  const fromNode: FromNode = (agent, workspaceId) => agent.logs(workspaceId, session, after)
  return either(engine, task, signal, fromNode, () => engine.results.logs.read(task, session, after))
}

/** When which byte of it was written, as lines `MS OFFSET`; empty where it was not noted. */
export function timesOfOutput(engine: Reading, task: Task, session: string, signal: AbortSignal): Promise<Buffer> {
  const fromNode: FromNode = (agent, workspaceId) => agent.logTimes(workspaceId, session, 0)
  return either(engine, task, signal, fromNode, () => engine.results.logs.read(task, timesOf(session), 0))
}

type FromNode = (agent: AgentClient, workspaceId: string) => Promise<{ bytes: Buffer }>

async function either(
  engine: Reading,
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

/** The id of a session by the name that people use: `check`, `pick`, or nothing for the newest run; before it is the set-up. */
export function sessionNamed({ sessionId }: Task, name: string | undefined): string {
  if (name === undefined) return sessionId ?? SETUP_SESSION
  const isAfter = name === 'check' || name === 'pick'
  return isAfter && sessionId !== null ? `${sessionId}-${name}` : name
}

/** What failed of a task and the last lines that it printed, as people read them; null for one that did not fail. */
export async function failureJson(
  engine: Reading,
  task: Task,
  { push, signal }: { push: Failing['push']; signal: AbortSignal },
): Promise<FailureJson | null> {
  const failure = failureOf({ id: task.id, verdict: task.verdict, error: task.error, push })
  if (failure === null) return null
  const { part, session = null } = failure
  if (failure.session === null) return { part, session, lines: [] }
  const read = (after: number) =>
    outputOf(engine, task, sessionNamed(task, failure.session ?? undefined), after, signal)
  const render = renderer()
  const text = render.push((await endOfLog(read)).toString('utf8'))
  return { part, session, lines: endOf(text + render.rest()) }
}

/** A long line of an agent's stream is of no use without its beginning. */
const TAIL_BYTES = 256 * 1024
/** The end of a log of which only pieces from a byte on can be had: its last lines, whole. */
export async function endOfLog(read: (after: number) => Promise<Buffer>): Promise<Buffer> {
  const { at, piece } = await lastPiece(read)
  const from = at + piece.length - TAIL_BYTES
  if (from <= 0) return piece
  const tail = await read(from)
  return tail.subarray(tail.indexOf('\n') + 1)
}

// --- What the agents of an attempt said and did, for an agent that takes over without their conversation ---

/** A conversation of more sessions has said what counts in the last ones. */
const SESSIONS_MAX = 10

/** The newest first, cut at its old end; empty when nothing can be had. */
export async function transcriptOf(engine: Reading, task: Task, signal: AbortSignal): Promise<string> {
  const parts: string[] = []
  let room = TRANSCRIPT_CHARS_MAX
  for (const session of sessionsBefore(task)) {
    // The workspace of an earlier placement may still stand on its node.
    const there = { ...task, workspaceId: session.workspaceId }
    const read = (after: number) => outputOf(engine, there, session.id, after, signal)
    for (const entry of entriesOf((await endOfLog(read)).toString('utf8')).reverse()) {
      if (entry.length >= room) return [...parts, entry.slice(-room)].join('\n')
      parts.push(entry)
      room -= entry.length + 1
    }
  }
  return parts.join('\n')
}

interface Named {
  id: string
  workspaceId: string
}

/** Sessions of agents that stopped, the newest first: those of one workspace are numbered. */
function sessionsBefore({ facts: { stops = [] } }: Task): Named[] {
  const found = new Map<string, Named>()
  for (const { session } of [...stops].reverse()) {
    const [, workspaceId, last] = /^(.*)-s(\d+)$/.exec(session ?? '') ?? []
    if (workspaceId === undefined) continue
    for (let number = Number(last); number > 0; number--) {
      const id = `${workspaceId}-s${number}`
      found.set(id, { id, workspaceId })
    }
  }
  return [...found.values()].slice(0, SESSIONS_MAX)
}

/** As people read them: a message that came in pieces is one. */
function entriesOf(log: string): string[] {
  const { push, rest } = renderer()
  const entries: string[] = []
  let open = ''
  for (const line of log.split('\n')) {
    open += push(`${line}\n`)
    if (!open.endsWith('\n')) continue
    entries.push(open.trimEnd())
    open = ''
  }
  return [...entries, (open + rest()).trimEnd()].filter(entry => entry !== '')
}
