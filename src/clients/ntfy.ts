/**
 * A topic of ntfy: what is published there, as it comes (https://docs.ntfy.sh/subscribe/api/). Only ever called from here, so no port
 * is open for it.
 */
import type { Clock } from '../platform/world.ts'
import type { Fetch } from './outward.ts'

export interface TopicMessage {
  /** Of the server's own making; empty where it says none. */
  id: string
  text: string
}

export interface Subscription {
  fetch: Fetch
  clock: Clock
  /** Of the topic, with what its server wants to know who asks. */
  url: string
  /** The id of the last message that was seen, or an age such as `60s`. */
  since: string
  signal: AbortSignal
  /** The server has taken the subscription. */
  opened(): void
  /** A message is done with before the next one comes. */
  message(message: TopicMessage): Promise<void>
}

/** A message has 4096 bytes at most (ntfy, `message-size-limit`), each of which JSON may write as six, and a few facts. */
const LINE_BYTES_MAX = 32 * 1024
/** The server says that it is there every 45 s (ntfy, `keepalive-interval`). */
const SILENCE_MS_MAX = 150_000
const ANSWER_MS_MAX = 30_000

/** Follows the topic until it breaks. Throws why it did; what cannot be read of it is passed over. */
export async function followTopic({ fetch, clock, url, since, signal, opened, message }: Subscription): Promise<never> {
  const silent = new AbortController()
  let cancel = () => {}
  const expect = (ms: number) => {
    cancel()
    cancel = clock.timer(ms, () => silent.abort(new Error(`nothing came for ${Math.round(ms / 1_000)} s`)))
  }
  expect(ANSWER_MS_MAX)
  try {
    const stop = AbortSignal.any([signal, silent.signal])
    const answer = await fetch(streamUrl(url, { since }), { redirect: 'manual', signal: stop })
    if (!answer.ok || answer.body === null) {
      await answer.body?.cancel()
      throw new Error(`it answered ${answer.status}`)
    }
    opened()
    const lines = createLines(LINE_BYTES_MAX)
    // The declarations of Node's streams know how to be walked through; those of the web do not.
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      expect(SILENCE_MS_MAX)
      for (const line of lines.push(chunk)) {
        const found = messageOf(line)
        if (found) await message(found)
      }
    }
    throw new Error('it ended the connection')
  } finally {
    cancel()
  }
}

/** Whether it may be read, and published to without what stands in the query of its URL. Null: both; else what is not so. */
export async function topicProblem(fetch: Fetch, url: string, test: string): Promise<string | null> {
  const within = () => AbortSignal.timeout(ANSWER_MS_MAX / 3)
  const read = await fetch(streamUrl(url, { poll: '1', since: 'none' }), { redirect: 'manual', signal: within() })
  await read.body?.cancel()
  if (!read.ok) return `it may not be read: the server answered ${read.status}`
  const headers = { cache: 'no', firebase: 'no', priority: 'min', title: 'tdf doctor' }
  const options = { method: 'POST', body: test, headers, redirect: 'manual', signal: within() } as const
  const published = await fetch(publishUrl(url), options)
  await published.body?.cancel()
  return published.ok ? null : `the phone may not publish to it: the server answered ${published.status}`
}

/** What the phone is told to call: who may read the topic is nothing that it is told. */
export function publishUrl(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

function streamUrl(url: string, query: Record<string, string>): string {
  const stream = new URL(url)
  stream.pathname = `${stream.pathname.replace(/\/$/, '')}/json`
  for (const [name, value] of Object.entries(query)) stream.searchParams.set(name, value)
  return stream.href
}

/** Cuts bytes into lines. One that is longer than it may be is dropped as a whole. */
function createLines(bytesMax: number): { push(chunk: Uint8Array): string[] } {
  let parts: Buffer[] = []
  let size = 0
  const end = (): string[] => {
    const line = size > bytesMax ? [] : [Buffer.concat(parts).toString('utf8')]
    parts = []
    size = 0
    return line
  }
  const add = (bytes: Buffer) => {
    size += bytes.length
    if (size > bytesMax) parts = []
    else parts.push(bytes)
  }
  return {
    push(chunk) {
      const pieces: Buffer[] = []
      let from = 0
      const bytes = Buffer.from(chunk)
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
        pieces.push(bytes.subarray(from, at))
        from = at + 1
      }
      const lines = pieces.flatMap(piece => {
        add(piece)
        return end()
      })
      add(bytes.subarray(from))
      return lines
    },
  }
}

/** Undefined for what is no message: an opening, a sign of life, and what nobody of us can read. */
function messageOf(line: string): TopicMessage | undefined {
  try {
    const { event, id, message } = Object(JSON.parse(line)) as Record<string, unknown>
    if (event !== 'message' || typeof message !== 'string') return undefined
    return { id: typeof id === 'string' && ID.test(id) ? id : '', text: message }
  } catch {
    return undefined
  }
}

/** Only what can be asked for again. */
const ID = /^[-_A-Za-z0-9]{1,64}$/
