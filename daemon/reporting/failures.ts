/**
 * Failures on record: what happened, where, and how everything around it stood; never a prompt or a token. A failure is an
 * outbox row, born in the transaction that it is about, and copied to the observability database soon after.
 */
import type { TdfError } from '../../src/core/errors.ts'
import type { Step, Task } from '../../src/core/task.ts'
import type { Observability } from '../../src/store/observability.ts'
import { lastSignals } from '../../src/store/tables/inbox.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { delivered, due, post, postpone } from '../../src/store/tables/outbox.ts'
import { readWorkspace } from '../../src/store/tables/slots.ts'
import type { Engine } from '../services.ts'

const LAST_SIGNALS = 5
const DAY_MS = 24 * 3_600_000
const BATCH = 500
const RETRY_MS = 60_000

export interface Failure {
  /** A second failure of the same id is the first one. */
  id: string
  /** Default: error. */
  level?: 'error' | 'warn'
  /** The part of the product that met it. */
  source: string
  taskId?: string | null
  step?: Step | null
  code: string
  message: string
  context?: Record<string, unknown>
}

/** Inside a write: puts a failure on record. */
export function recordFailure({ store, world }: Pick<Engine, 'store' | 'world'>, failure: Failure): void {
  const { id, level = 'error', source, taskId = null, step = null, code, message, context = {} } = failure
  const at = world.clock.now()
  const payload = { at, level, source, taskId, step, code, message, context }
  post(store.sql, { id, kind: 'error', payload, dueAt: at })
}

/**
 * Inside a write: the failure of a step, with the state of the task, its node and its workspace. `final`: it ended
 * the attempt.
 */
export function recordStepFailure(
  engine: Pick<Engine, 'store' | 'world'>,
  task: Task,
  { error, final }: { error: TdfError; final: boolean },
): void {
  const { sql } = engine.store
  const node = task.nodeName === null ? undefined : readNode(sql, task.nodeName)
  const workspace = task.workspaceId === null ? undefined : readWorkspace(sql, task.workspaceId)
  const signals = lastSignals(sql, task, LAST_SIGNALS)
  recordFailure(engine, {
    id: `err-${task.id}-${task.attempt}-${task.rev}`,
    level: final ? 'error' : 'warn',
    source: 'engine',
    taskId: task.id,
    step: task.step,
    code: error.code,
    message: error.message,
    context: {
      attempt: task.attempt,
      stepAttempt: task.stepAttempt,
      status: task.status,
      inStepMs: Math.max(engine.world.clock.now() - task.stepEnteredAt, 0),
      class: error.class,
      final,
      node: node && { name: node.name, status: node.status, waitingFor: node.waitingFor },
      workspace: workspace && { id: workspace.id, status: workspace.status },
      session: task.facts.session ?? null,
      lastCallbacks: signals.map(({ kind, at }) => ({ kind, at: new Date(at).toISOString() })),
      ...(error.code === 'BUG' ? { stack: error.stack?.slice(0, 4000) } : {}),
    },
  })
}

/** Puts on record what only people can mend: once a day, however often it is met. `subject` is a provider or a node. */
export async function alert(
  engine: Pick<Engine, 'store' | 'world'>,
  { source, subject }: { source: 'provider' | 'node'; subject: string },
  { code, message }: TdfError,
): Promise<void> {
  const id = `${source}-${subject}-${code}-${Math.floor(engine.world.clock.now() / DAY_MS)}`
  await engine.store.commit(() => recordFailure(engine, { id, source, code, message }))
}

export interface ErrorFlush {
  /** Copies everything that is due; a database that cannot take it is tried again later. */
  flush(): Promise<void>
}

/** Carries failures from the outbox to the observability database: soon after each, and before they are read. */
export function createErrorFlush(
  { store, world, log }: Pick<Engine, 'store' | 'world' | 'log'>,
  observability: Observability,
): ErrorFlush {
  let running: Promise<void> | null = null

  async function flush(): Promise<void> {
    for (;;) {
      const rows = due(store.sql, 'error', world.clock.now(), BATCH)
      if (rows.length === 0) return
      try {
        observability.addErrors(rows)
        await store.commit(() => rows.map(({ id }) => delivered(store.sql, id)))
      } catch (error) {
        log.warn({ err: String(error) }, 'failures could not be copied to the observability database')
        await store.commit(() => rows.map(({ id }) => postpone(store.sql, id, world.clock.now() + RETRY_MS)))
        return
      }
    }
  }

  return {
    flush() {
      running ??= flush().finally(() => (running = null))
      return running
    },
  }
}
