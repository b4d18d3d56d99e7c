/** An answer that came back from a person's phone: a code, which is worth one act, once, while what was asked is still asked. */
import { asTdfError } from '../../../src/core/errors.ts'
import type { AttemptKey } from '../../../src/core/task.ts'
import { hashToken } from '../../../src/platform/tokens.ts'
import type { CallbackAnswer } from '../../../src/protocol/callbacks.ts'
import { type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { openSignals } from '../../../src/store/tables/inbox.ts'
import { closeReplyCodes, type ReplyCode, readReplyCode } from '../../../src/store/tables/outbox.ts'
import { raisedText } from '../../../src/text/progress/budgets.ts'
import { raisedBefore } from '../../placement/budgets.ts'
import type { Engine } from '../../services.ts'
import { askingOf, GO_ON, grantedUsd } from '../rules/asking.ts'
import type { ContinueRequest } from '../rules/continuing.ts'
import { spentBefore } from './usage.ts'

/**
 * What became of a code. *taken*: it did what it stands for; *used*: its notice was answered before; *late*: what it is about is
 * asked no more; *refused*: it cannot be done now, and the code stays as it is; *unknown*: it is none of ours.
 */
export interface Reply {
  end: 'taken' | 'used' | 'late' | 'refused' | 'unknown'
  taskId: string | null
  verb: string | null
  why: string | null
}

type ReplySignal =
  | { kind: 'cancel'; taskId: string }
  | { kind: 'followup'; taskId: string; deliveryId: string; text: string; requestId?: string }

/** The ways into the engine that a code may take. */
export interface ReplyWays {
  signal(signal: ReplySignal): CallbackAnswer
  goOn(taskId: string, request: ContinueRequest): AttemptKey
  start(taskId: string, attempt: number): AttemptKey
}

/** Inside a write. Throws what the engine refuses; then nothing was changed. */
export function takeReply(engine: Engine, hash: string, ways: ReplyWays): Reply {
  const { sql } = engine.store
  const now = engine.world.clock.now()
  const code = readReplyCode(sql, hash)
  if (!code) return UNKNOWN
  const { taskId, verb, attempt } = code
  const reply = (end: Reply['end'], why: string | null = null): Reply => ({ end, taskId, verb, why })
  if (code.state !== 'open') return reply(code.state, 'it was answered, or asked anew, before')
  if (now >= code.expiresAt) return reply('late', 'its time is over')
  const task = readNewestAttempt(sql, taskId)
  if (!task || !isAskedStill(engine, task, code)) return reply('late', 'the task asks for something else by now')
  const answer = act(engine, task, code, ways)
  if (!answer.accepted) return reply('refused', answer.reason)
  closeReplyCodes(sql, code.notice)
  engine.store.append({ type: 'task.answered', taskId, attempt, step: task.step, data: { verb, by: 'ntfy' } }, now)
  return reply('taken')
}

export const UNKNOWN: Reply = { end: 'unknown', taskId: null, verb: null, why: 'it is no code of this installation' }

/** What is asked, as it is stored: what an agent wants to do may be long. */
export const aboutHash = (about: string) => hashToken(about)

function isAskedStill({ store }: Engine, task: ReadTask, { attempt, about }: ReplyCode): boolean {
  const asking = task.attempt === attempt ? askingOf(task) : null
  if (asking === null || aboutHash(asking.about) !== about) return false
  // What was said to it already is the answer, although the task has not read it yet.
  return !openSignals(store.sql, task).some(({ kind }) => kind === 'followup' || kind === 'close')
}

function act(engine: Engine, task: ReadTask, { hash, verb }: ReplyCode, ways: ReplyWays): CallbackAnswer {
  const key = `reply-${hash.slice(0, 32)}`
  const { id: taskId, facts } = task
  switch (verb) {
    case 'cancel':
      return ways.signal({ kind: 'cancel', taskId })
    case 'allow':
    case 'deny':
      if (facts.paused) return allowMore(engine, task, key, ways)
      return ways.signal({
        ...{ kind: 'followup', taskId, deliveryId: key, text: verb },
        requestId: String(facts.question?.requestId),
      })
    case 'continue':
      goOn(task, { key, hash: verb, change: { prompt: GO_ON, ...grant(engine, task) } }, ways)
      return { accepted: true }
    default:
      return { accepted: false, reason: `this version knows no answer "${verb}"` }
  }
}

/** What holds the task is raised by a quarter, unless that was done meanwhile. */
function allowMore(
  engine: Engine,
  { id: taskId, facts, spec }: ReadTask,
  deliveryId: string,
  ways: ReplyWays,
): CallbackAnswer {
  const raised = facts.paused === 'window' ? raisedBefore(engine, spec.labels, engine.world.clock.now()) : null
  if (raised !== null) return { accepted: false, reason: raisedText(raised) }
  return ways.signal({ kind: 'followup', taskId, deliveryId, text: 'allow' })
}

/** One of which nothing was saved begins anew. */
function goOn({ id, attempt }: ReadTask, request: ContinueRequest, ways: ReplyWays): AttemptKey {
  try {
    return ways.goOn(id, request)
  } catch (thrown) {
    if (asTdfError(thrown).code !== 'NO_RESULT') throw thrown
    return ways.start(id, attempt + 1)
  }
}

function grant({ store }: Engine, task: ReadTask): { maxCostUsd?: number } {
  const maxCostUsd = grantedUsd(task, spentBefore(store.sql, { ...task, attempt: task.attempt + 1 }))
  return maxCostUsd === null ? {} : { maxCostUsd }
}
