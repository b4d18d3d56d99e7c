/** For `tdf doctor`: whether the answers to notices can come back. */
import { topicProblem } from '../../../src/clients/ntfy.ts'
import { fetchFailure } from '../../../src/clients/outward.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { Engine } from '../../services.ts'
import { replyTopic, TEST_TEXT } from './topic.ts'

const check = 'answers'

/** Nothing where they are not configured. */
export async function checkReplies(engine: Pick<Engine, 'config' | 'secrets' | 'world'>): Promise<FindingJson[]> {
  const { ntfy, ntfyReplies: name, includeText } = engine.config.notify
  if (name === '') return []
  if (ntfy === '') {
    const message = 'no notice asks for one: [notify] ntfy_replies is set, and ntfy is not'
    return [{ check, state: 'warn', message, hint: 'tdf config show --origin' }]
  }
  const url = replyTopic(engine)
  if (url === null) {
    const message = `the secret ${name} of [notify] ntfy_replies holds no URL of a topic`
    return [{ check, state: 'fail', message, hint: `tdf secret set ${name}` }]
  }
  const { host } = new URL(url)
  // Its failure may name the URL, which is a secret.
  const problem = await topicProblem(engine.world.fetch, url, TEST_TEXT).catch(fetchFailure)
  if (problem !== null) {
    return [{ check, state: 'fail', message: `the topic of answers on ${host}: ${problem}`, hint: 'tdf errors' }]
  }
  if (!includeText) {
    const message = 'no notice has a button that allows: without [notify] include_text it does not say what is asked'
    return [{ check, state: 'warn', message, hint: 'tdf config show --origin' }]
  }
  return [{ check, state: 'ok', message: `they come back over ${host}`, hint: null }]
}
