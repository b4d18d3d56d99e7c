/** What a message about a failure says beside its headline: the failure card, where text may be sent at all. */
import { readAttempt } from '../../src/store/tables/attempts.ts'
import { cardText, failureCard } from '../../src/text/failure.ts'
import { pushOf } from '../api/tasks/json.ts'
import { failureJson } from '../results/output.ts'
import type { Engine } from '../services.ts'
import type { NoticeJson } from './message.ts'

/** A node that is slow to give its log holds up no message for longer. */
const OUTPUT_MS = 5_000

/**
 * The notice with its card; the same notice where it is about no failure, where text is not sent, and where the task is gone. Never
 * throws: without the output the card has the rest.
 */
export async function withFailure(engine: Engine, notice: NoticeJson, signal: AbortSignal): Promise<NoticeJson> {
  const { text, taskId, attempt } = notice
  const task = readAttempt(engine.store.sql, { id: taskId, attempt })
  if (!text || !task || (notice.event !== 'failed' && notice.event !== 'push-failed')) return notice
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
