/** Stands between the commands and a real daemon, and poisons every text in its answers. */
import http from 'node:http'
import path from 'node:path'
import type { Home } from './home.ts'

/** One of each kind that a terminal obeys: clipboard, title, link, device query, colours, overwriting, turned reading. */
export const HOSTILE: Record<string, string> = {
  osc52: '\x1b]52;c;cHduZWQ=\x07',
  'osc52 without an end': '\x1b]52;c;AAAA',
  title: '\x1b]0;pwn\x07',
  link: '\x1b]8;;http://evil.example\x07click\x1b]8;;\x07',
  dcs: '\x1bP1$r0m\x1b\\',
  csi: '\x1b[2J\x1b[H\x1b[31m',
  c1: '\x9b31m\x9d0;pwn\x9c\x90x\x9c',
  reset: '\x1bc',
  backspace: 'safe\b\b\b\bEVIL',
  return: 'safe\rEVIL',
  bidi: '\u202etxt.exe\u2066\u200f',
  separators: '\u2028\u2029',
  bell: '\x07\x00\x7f',
}
export const MARK = 'poisoned'
/** Its harmless end is what may be seen of it: a carriage return takes what was before. */
const POISON = `${Object.values(HOSTILE).join('')}${MARK}`

/** What no terminal may get, whatever was asked for: controls beyond tab and newline, C1, marks that turn the order. */
export const OBEYED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/

/** The daemon's own words, by which commands find their way; the rest is text to them. */
const OURS =
  /^(id|taskId|status|step|verdict|state|how|schema|type|sha256|class|cleanup|level|.*At|at|.*Until|since|until|next|home|socket|callbacksUrl|code|to)$/

/** What our commands write on a terminal by themselves: colours, places, erasing, the modes that they set and take back, a title of numbers, the question for the background. */
export const OWN =
  /\x1b\[(?:[\d;]*[mHJKA]|\?(?:1049|2026|25|2004|1000|1006)[hl]|2[23];2t)|\x1b\]2;tdf(?: \d+[▶✗?])*\x07|\x1b\]11;\?\x07|[\r\b]/g
/** What `watch TASK` writes over its last lines with. */
export const LIVE_LINES = /\r(?:\x1b\[\d+A)?\x1b\[J/g

export async function hostileProxy(home: Home): Promise<{ env: Record<string, string>; stop(): Promise<void> }> {
  const socket = path.join(home.dir, 'hostile.sock')
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request
    const upstream = http.request(
      { socketPath: home.client.socket, agent: false, method, path: url, headers },
      answer => {
        if (answer.headers['content-type']?.includes('text/event-stream')) {
          response.writeHead(answer.statusCode ?? 500, answer.headers).flushHeaders()
          return void answer.pipe(response)
        }
        const chunks: Buffer[] = []
        answer.on('data', chunk => chunks.push(chunk))
        answer.on('end', () => {
          const { 'content-length': _length, 'transfer-encoding': _encoding, ...kept } = answer.headers
          response.writeHead(answer.statusCode ?? 500, kept).end(poisoned(Buffer.concat(chunks), kept, url ?? ''))
        })
      },
    )
    // A daemon that has answered may hang up before it has read everything.
    upstream.on('error', () => response.destroy())
    request.pipe(upstream)
  })
  await new Promise<void>(resolve => server.listen(socket, resolve))
  return {
    env: { ...home.env, TDF_HOST: socket },
    stop: () => new Promise(resolve => server.close(() => resolve()).closeAllConnections()),
  }
}

function poisoned(body: Buffer, headers: http.IncomingHttpHeaders, url: string): Buffer | string {
  if (headers['content-type']?.includes('application/json')) {
    return JSON.stringify(poison(JSON.parse(body.toString('utf8')), ''))
  }
  return /\/(diff|logs)\b/.test(url) && body.length > 0 ? Buffer.concat([body, Buffer.from(`${POISON}\n`)]) : body
}

function poison(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value.map(item => poison(item, key))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, poison(item, name)]))
  }
  if (value === null && !OURS.test(key) && TEXTS.includes(key)) return POISON
  return typeof value === 'string' && !OURS.test(key) ? `${value}${POISON}` : value
}

/** Texts that are null in a quiet life. */
const TEXTS = ['waitingFor', 'summary', 'hint', 'address', 'size', 'location', 'estimate', 'obstacle', 'resumeRef']
