/** The channels of notices. Each returns why it did not work, or null when it did; none throws. */
import process from 'node:process'
import { publishUrl } from '../../../src/clients/ntfy.ts'
import { fetchFailure } from '../../../src/clients/outward.ts'
import { NETWORK_VARIABLES, pickVariables, run } from '../../../src/platform/run.ts'
import { replyCode } from '../../../src/platform/tokens.ts'
import type { World } from '../../../src/platform/world.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import { cardText, failureCard } from '../../../src/text/failure.ts'
import { pushOf } from '../../api/tasks/json.ts'
import type { Verb } from '../../engine/rules/asking.ts'
import { failureJson } from '../../results/output.ts'
import type { Engine } from '../../services.ts'
import type { Channel } from './announce.ts'
import { bodyText, headline, type NoticeJson } from './message.ts'
import { replyTopic } from './topic.ts'

/** What the outbox holds: for ntfy, with the verbs that it may be answered by. */
export type StoredNotice = NoticeJson & { answers?: readonly Verb[] }

/** `id` names the row of the outbox. */
type Deliver = (engine: Engine, id: string, notice: StoredNotice, signal: AbortSignal) => Promise<string | null>

const COMMAND_TIMEOUT_MS = 30_000
const HTTP_TIMEOUT_MS = 10_000
const OUTPUT_BYTES_MAX = 64 * 1024

export const DELIVER: Record<Channel, Deliver> = {
  /** The message as JSON on stdin, and what a one-line script wants in the environment. */
  async command({ config }, _id, notice, signal) {
    const [file, ...args] = config.notify.command
    if (file === undefined) return null
    const { exitCode, stderr, timedOut } = await run(file, args, {
      cwd: '/',
      env: { HOME: '/', ...pickVariables(process.env, ['PATH', 'HOME', ...NETWORK_VARIABLES]), ...factsOf(notice) },
      input: JSON.stringify(notice),
      timeoutMs: COMMAND_TIMEOUT_MS,
      outputBytesMax: OUTPUT_BYTES_MAX,
      signal,
      ownGroup: true,
    })
    if (exitCode === 0) return null
    return timedOut ? `no end within ${COMMAND_TIMEOUT_MS / 1000} s` : `exit ${exitCode}: ${stderr.slice(0, 500)}`
  },

  webhook({ config, world }, _id, notice, signal) {
    const headers = { 'content-type': 'application/json', 'x-tdf-event': notice.event }
    return send(world, config.notify.webhook, { headers, body: JSON.stringify(notice), signal })
  },

  /** https://docs.ntfy.sh/publish/: the body is what is read, the headers say how it is shown. */
  ntfy(engine, id, notice, signal) {
    const { config, world } = engine
    const isUrgent = ['failed', 'needs-you', 'push-failed', 'schedule-failing', 'budget-used'].includes(notice.event)
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      title: headline(notice),
      tags: TAGS[notice.event],
      priority: isUrgent ? 'high' : 'default',
      ...actionsOf(engine, id, notice),
    }
    return send(world, config.notify.ntfy, { headers, body: bodyText(notice), signal })
  },
}

const TAGS = {
  done: 'white_check_mark',
  failed: 'x',
  cancelled: 'no_entry_sign',
  parked: 'hourglass',
  'needs-you': 'wave',
  'push-failed': 'warning',
  'schedule-failing': 'warning',
  'budget-warning': 'moneybag',
  'budget-used': 'moneybag',
} as const

/** https://docs.ntfy.sh/publish/#action-buttons: at most three; each publishes its code to the topic of answers. */
function actionsOf(engine: Engine, id: string, { answers = [] }: StoredNotice): { actions?: string } {
  const topic = replyTopic(engine)
  if (topic === null || answers.length === 0) return {}
  const actions = answers.map(verb => ({
    ...{ action: 'http', label: LABELS[verb], url: publishUrl(topic), method: 'POST' },
    ...{ body: replyCode(engine.install.key, id, verb), clear: verb !== 'continue' },
  }))
  return { actions: JSON.stringify(actions) }
}

const LABELS: Record<Verb, string> = { allow: 'Allow', deny: 'Deny', continue: 'Continue', cancel: 'Cancel' }

function factsOf({ event, taskId, status, verdict, text, schedule }: NoticeJson): Record<string, string> {
  return {
    TDF_EVENT: event,
    TDF_TASK_ID: taskId,
    TDF_STATUS: status,
    TDF_VERDICT: verdict ?? '',
    TDF_TITLE: text?.title ?? '',
    TDF_SCHEDULE: schedule ?? '',
  }
}

/** An address may hold a secret, so no failure names more of it than its host. */
async function send({ clock, fetch }: World, url: string, message: Message): Promise<string | null> {
  if (url === '') return null
  const { host } = new URL(url)
  const late = new AbortController()
  const cancel = clock.timer(HTTP_TIMEOUT_MS, () => late.abort(new Error(`no answer within ${HTTP_TIMEOUT_MS} ms`)))
  try {
    const signal = AbortSignal.any([message.signal, late.signal])
    const answer = await fetch(url, { ...message, method: 'POST', redirect: 'manual', signal })
    // What it says is not asked for.
    await answer.body?.cancel()
    return answer.ok ? null : `${host} answered ${answer.status}`
  } catch (thrown) {
    return `${host}: ${fetchFailure(thrown)}`
  } finally {
    cancel()
  }
}

interface Message {
  headers: Record<string, string>
  body: string
  signal: AbortSignal
}

/** A node that is slow to give its log holds up no message for longer. */
const OUTPUT_MS = 5_000

/**
 * The notice with its card; the same notice where it is about no failure, where text is not sent, and where the task is gone. Never
 * throws: without the output the card has the rest.
 */
export async function withFailure(engine: Engine, notice: StoredNotice, signal: AbortSignal): Promise<StoredNotice> {
  const { text, taskId, attempt } = notice
  const isFailure = notice.event === 'failed' || notice.event === 'push-failed'
  const task = text && isFailure ? readAttempt(engine.store.sql, { id: taskId, attempt }) : undefined
  if (!text || !task) return notice
  const late = new AbortController()
  const cancel = engine.world.clock.timer(OUTPUT_MS, () => late.abort(new Error('the log did not come in time')))
  const push = pushOf(engine.store.sql, task)
  try {
    const about = { push, signal: AbortSignal.any([signal, late.signal]) }
    const lines = await failureJson(engine, task, about).then(failure => failure?.lines ?? [])
    const { id, verdict, error } = task
    const card = cardText(failureCard({ id, verdict, error, push }, lines.join('\n')))
    return card === '' ? notice : { ...notice, text: { ...text, failure: card } }
  } catch (thrown) {
    engine.log.debug({ task: taskId, err: String(thrown) }, 'a message goes without the output of what failed')
    return notice
  } finally {
    cancel()
  }
}
