/** A failure as it is put on record: what happened, where, and how everything around it stood. Never a prompt or a token. */
import type { TdfError } from '../../src/core/errors.ts'
import type { Task } from '../../src/core/task.ts'
import type { Observability } from '../../src/store/observability.ts'
import { lastSignals } from '../../src/store/tables/inbox.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { delivered, due, type OutboxItem, post, postpone } from '../../src/store/tables/outbox.ts'
import { readWorkspace } from '../../src/store/tables/slots.ts'
import type { Deps, Engine } from '../services.ts'

const LAST_SIGNALS = 5

/** An outbox row that becomes a row of the observability database; its id makes a second copy the same row. */
export function failureReport(
  { store }: Pick<Engine, 'store'>,
  task: Task,
  failure: { error: TdfError; final: boolean },
  now: number,
): Omit<OutboxItem, 'tries'> {
  const { error, final } = failure
  const node = task.nodeName === null ? undefined : readNode(store.sql, task.nodeName)
  const workspace = task.workspaceId === null ? undefined : readWorkspace(store.sql, task.workspaceId)
  const signals = lastSignals(store.sql, task, LAST_SIGNALS)
  return {
    id: `err-${task.id}-${task.attempt}-${task.rev}`,
    kind: 'error',
    dueAt: now,
    payload: {
      at: now,
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
        inStepMs: now - task.stepEnteredAt,
        class: error.class,
        final,
        node: node && { name: node.name, status: node.status, waitingFor: node.waitingFor },
        workspace: workspace && { id: workspace.id, status: workspace.status },
        session: task.facts.session ?? null,
        lastCallbacks: signals.map(({ kind, at }) => ({ kind, at: new Date(at).toISOString() })),
        ...(error.code === 'BUG' ? { stack: error.stack?.slice(0, 4000) } : {}),
      },
    },
  }
}

/** What nothing helps but its user, among the failures that people look at: once a day, however often it is met. */

const DAY_MS = 24 * 3_600_000

/** `subject` names what it is about: a provider, or a node. */
export async function alert(
  { store, world }: Pick<Deps, 'store' | 'world'>,
  { source, subject }: { source: 'provider' | 'node'; subject: string },
  { code, message }: TdfError,
): Promise<void> {
  const at = world.clock.now()
  const id = `${source}-${subject}-${code}-${Math.floor(at / DAY_MS)}`
  const payload = { at, level: 'error', source, taskId: null, step: null, code, message }
  await store.commit(() => post(store.sql, { id, kind: 'error', payload, dueAt: at }))
}

/** Carries failures from the outbox to the observability database: soon after each, and before anybody reads. */

const BATCH = 500
const RETRY_MS = 60_000

export interface ErrorFlush {
  /** Copies everything that is due; a database that cannot take it is tried again later. */
  flush(): Promise<void>
}

export function createErrorFlush(engine: Engine, observability: Observability): ErrorFlush {
  const { store, world, log } = engine
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
