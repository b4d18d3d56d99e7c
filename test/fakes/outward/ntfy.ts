/**
 * A small model of an ntfy server (https://docs.ntfy.sh): topics that keep their messages, streams of JSON from a message or an age on,
 * buttons that a phone presses, and topics that only a token reads.
 */
import http from 'node:http'
import type { AddressInfo } from 'node:net'

interface Action {
  label: string
  url: string
  method: string
  body: string
  clear: boolean
}

export interface Published {
  id: string
  /** Unix seconds. */
  time: number
  message: string
  title: string
  actions: Action[]
}

export interface Ntfy {
  url: string
  /** What a topic keeps, oldest first. */
  messages(topic: string): Published[]
  /** As a phone does: calls what the button stands for. Answers the status. */
  press(message: Published, label: string): Promise<number>
  publish(topic: string, text: string): Promise<number>
  /** The queries of all subscriptions that there ever were. */
  subscriptions: { topic: string; query: URLSearchParams }[]
  /** Those that are open now. */
  open(): number
  /** Who reads these topics has to know this word as `auth` of the query. Anybody may publish. */
  guarded: Map<string, string>
  faults: {
    /** Subscriptions are answered with these first, one each. */
    refuse: number[]
    /** Every message is sent so often. */
    copies: number
    /** A subscription gets all that there is, whatever it asks for. */
    replayAll: boolean
    /** Messages are kept and not sent to who listens: they come with the next subscription. */
    holdBack: boolean
  }
  /** Ends every stream, in the midst of a line. */
  cut(): void
  /** Sends these bytes to every stream of the topic. */
  send(topic: string, bytes: string): void
  stop(): Promise<void>
}

interface Stream {
  topic: string
  response: http.ServerResponse
}

export async function fakeNtfy(): Promise<Ntfy> {
  const topics = new Map<string, Published[]>()
  const streams = new Set<Stream>()
  const guarded = new Map<string, string>()
  const subscriptions: Ntfy['subscriptions'] = []
  const faults: Ntfy['faults'] = { refuse: [], copies: 1, replayAll: false, holdBack: false }
  const kept = (topic: string) => topics.get(topic) ?? []
  let count = 0

  const lineOf = (topic: string, message: Published) =>
    `${JSON.stringify({ ...message, expires: message.time + 43_200, event: 'message', topic })}\n`

  function publish(topic: string, request: http.IncomingMessage, text: string): Published {
    count += 1
    const id = `m${String(count).padStart(11, '0')}`
    const { title = '', actions = '[]' } = request.headers
    const time = Math.floor(Date.now() / 1_000)
    const message = { id, time, message: text, title: String(title), actions: JSON.parse(String(actions)) }
    if (request.headers.cache !== 'no') topics.set(topic, [...kept(topic), message])
    for (const stream of faults.holdBack ? [] : streams) {
      if (stream.topic === topic) stream.response.write(lineOf(topic, message).repeat(faults.copies))
    }
    return message
  }

  function subscribe(topic: string, query: URLSearchParams, response: http.ServerResponse): void {
    const refused = faults.refuse.shift()
    const isKnown = !guarded.has(topic) || guarded.get(topic) === query.get('auth')
    if (refused !== undefined || !isKnown) return void response.writeHead(refused ?? 403).end()
    response.writeHead(200, { 'content-type': 'application/x-ndjson; charset=utf-8' })
    const isPoll = query.get('poll') === '1'
    if (!isPoll) {
      subscriptions.push({ topic, query })
      response.write(`${JSON.stringify({ id: 'o', time: 0, event: 'open', topic })}\n`)
    }
    const old = faults.replayAll ? kept(topic) : since(kept(topic), query.get('since'))
    for (const message of old) response.write(lineOf(topic, message).repeat(faults.copies))
    if (isPoll) return void response.end()
    const stream = { topic, response }
    streams.add(stream)
    response.on('close', () => streams.delete(stream))
  }

  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://ntfy')
    const [, topic = '', verb] = pathname.split('/')
    if (request.method === 'GET' && verb === 'json') return subscribe(topic, searchParams, response)
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const isPublished = request.method === 'POST' && topic !== '' && verb === undefined
      const answer = isPublished ? publish(topic, request, Buffer.concat(chunks).toString('utf8')) : {}
      response.writeHead(isPublished ? 200 : 404).end(JSON.stringify(answer))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...{ url, subscriptions, guarded, faults },
    messages: kept,
    open: () => streams.size,
    async press({ actions }, label) {
      const action = actions.find(one => one.label === label)
      if (!action) throw new Error(`no button "${label}": ${actions.map(one => one.label)}`)
      return (await fetch(action.url, { method: action.method, body: action.body })).status
    },
    publish: async (topic, text) => (await fetch(`${url}/${topic}`, { method: 'POST', body: text })).status,
    cut() {
      for (const { response } of streams) {
        response.write('{"id":"half')
        response.socket?.destroy()
      }
    },
    send(topic, bytes) {
      for (const stream of streams) if (stream.topic === topic) stream.response.write(bytes)
    },
    stop: () => new Promise(resolve => server.close(() => resolve()).closeAllConnections()),
  }
}

/** What came after a message, or within an age (`90s`) or since a time; nothing without one. */
function since(messages: readonly Published[], from: string | null): readonly Published[] {
  if (from === null || from === 'none') return []
  if (from === 'all') return messages
  const at = messages.findIndex(({ id }) => id === from)
  if (at >= 0) return messages.slice(at + 1)
  const age = /^(\d+)s$/.exec(from)?.[1]
  // As the server does with an id that it does not know: everything.
  if (age === undefined) return messages
  return messages.filter(({ time }) => time >= Math.floor(Date.now() / 1_000) - Number(age))
}
