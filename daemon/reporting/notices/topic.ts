/**
 * The topic over which notices are answered: followed by the daemon that serves, opened anew ever more slowly when it breaks. What
 * comes over it is a code or nothing: no word of it is acted on or put into a log.
 */

import { followTopic, type TopicMessage } from '../../../src/clients/ntfy.ts'
import { fetchFailure } from '../../../src/clients/outward.ts'
import { backoffMs } from '../../../src/core/backoff.ts'
import { asTdfError } from '../../../src/core/errors.ts'
import { hashToken } from '../../../src/platform/tokens.ts'
import { oldestOpenCode, readReplyCode } from '../../../src/store/tables/outbox.ts'
import type { RunningEngine } from '../../build.ts'
import { type Reply, UNKNOWN } from '../../engine/effects/reply.ts'
import type { Engine } from '../../services.ts'
import type { Sweep } from '../../sweeps/run.ts'

const BACKOFF = { baseMs: 1_000, maxMs: 5 * 60_000 }
/** A connection that lasted so long, in ms, was sound. */
const SOUND_MS = 60_000
/** Of the server's clock: a message that came a moment before the code was stored is asked for too. */
const MARGIN_S = 60
const MINUTE_MS = 60_000
/** Lines of the log in a minute about what was not taken: anybody who knows the topic can write to it. */
const LINES_MAX = 10

/** Nobody's answer: `tdf doctor` looks whether the topic may be published to. */
export const TEST_TEXT = 'tdf doctor looks whether this topic can be written to'

export interface Replies {
  /** Sees that the topic of the configuration is followed. */
  sweep: Sweep
  stop(): Promise<void>
}

export function createReplies(engine: RunningEngine): Replies {
  const { clock, fetch } = engine.world
  let following: { url: string; stop: AbortController; ended: Promise<void> } | null = null
  let tries = 0
  let dueMono = Number.NEGATIVE_INFINITY
  /** Of the topic that is followed: its last message. */
  let last = { url: '', id: '' }
  const take = createTaking(engine)

  async function follow(url: string, signal: AbortSignal): Promise<void> {
    const begun = clock.mono()
    let isOpen = false
    if (last.url !== url) last = { url, id: '' }
    const opened = () => {
      isOpen = true
      engine.log.info({ host: new URL(url).host }, 'answers to notices are listened for')
    }
    const message = async (message: TopicMessage) => {
      await take(message.text)
      if (message.id !== '') last = { url, id: message.id }
    }
    const since = last.id === '' ? `${ageS(engine)}s` : last.id
    await followTopic({ fetch, clock, url, since, signal, opened, message }).catch((thrown: unknown) => {
      if (signal.aborted) return
      tries = isOpen && clock.mono() - begun > SOUND_MS ? 1 : tries + 1
      const pauseMs = backoffMs(tries, { ...BACKOFF, jitter: engine.world.random.float(), spread: 0.5 })
      dueMono = clock.mono() + pauseMs
      const failure = { host: new URL(url).host, tries, pauseMs, err: fetchFailure(thrown) }
      engine.log.warn(failure, 'the topic of [notify] ntfy_replies is not followed')
    })
  }

  function look(): void {
    const url = replyTopic(engine)
    if (following && following.url !== url) {
      following.stop.abort(new Error('the topic is another one'))
      dueMono = Number.NEGATIVE_INFINITY
    }
    if (following || url === null || clock.mono() < dueMono) return
    const stop = new AbortController()
    const ended = follow(url, stop.signal).finally(() => {
      following = null
    })
    following = { url, stop, ended }
  }

  return {
    sweep: {
      name: 'replies',
      atStart: true,
      everyMs: () => 1_000,
      async run() {
        look()
        return {}
      },
    },
    async stop() {
      following?.stop.abort(new Error('the daemon stops'))
      await following?.ended
    },
  }
}

/** How far back the topic is read where nothing of it was seen yet: to the oldest code that may still come. */
function ageS({ store, world }: RunningEngine): number {
  const now = world.clock.now()
  return Math.max(Math.ceil((now - (oldestOpenCode(store.sql, now) ?? now)) / 1_000), 0) + MARGIN_S
}

/** The URL that the secret holds; null where there is none that can be called. */
export function replyTopic({ config, secrets }: Pick<Engine, 'config' | 'secrets'>): string | null {
  const { ntfyReplies: name } = config.notify
  if (name === '') return null
  const url = secrets([name])[name]?.trim() ?? ''
  return TOPIC.test(url) && URL.canParse(url) ? url : null
}

/** A server and a topic, perhaps with a query; nothing else. */
const TOPIC = /^https?:\/\/[^\s/?#@]+\/[^\s?#]+(\?[^\s#]*)?$/

/** Throws where a code could not be stored: then its message is asked for again. */
function createTaking(engine: RunningEngine): (text: string) => Promise<void> {
  const { clock } = engine.world
  let [sinceMono, lines] = [Number.NEGATIVE_INFINITY, 0]
  const mayLog = () => {
    if (clock.mono() - sinceMono >= MINUTE_MS) [sinceMono, lines] = [clock.mono(), 0]
    lines += 1
    return lines <= LINES_MAX
  }
  return async text => {
    if (text === TEST_TEXT) return
    const { end, taskId, verb, why } = await replyTo(engine, hashToken(text.trim()))
    engine.metrics.replied(end)
    if (end === 'taken') engine.log.info({ task: taskId, verb }, 'a notice was answered')
    else if (mayLog()) engine.log.warn({ task: taskId, verb, end, why }, 'an answer to a notice changes nothing')
  }
}

/** What is no code of ours costs a look and no write, however much of it comes. */
async function replyTo(engine: RunningEngine, hash: string): Promise<Reply> {
  const code = readReplyCode(engine.store.sql, hash)
  if (!code) return UNKNOWN
  try {
    return await engine.reply(hash)
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.class !== 'permanent') throw error
    return { end: 'refused', taskId: code.taskId, verb: code.verb, why: error.message }
  }
}
