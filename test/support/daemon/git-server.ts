/** A git server over HTTP or HTTPS on loopback: git's own http-backend behind a password. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'

import { type LargeStore, largeStore } from '../machines/lfs-store.ts'

export interface GitServer {
  url: string
  /** How many fetches of objects it answered; asking what is there is none. */
  fetches(): number
  /** What it does from now on instead of answering; each request takes one. */
  faults: ServerFaults
  /** What it has in Git LFS. */
  large: LargeStore
  /** Whether the token came in a header, and the command lines of this machine that had it in them meanwhile. */
  seen(): { withToken: boolean; inArguments: string[] }
  close(): Promise<void>
}

export interface ServerFaults {
  /** So many requests are answered by 503. */
  unavailable?: number
  /** Requests get no answer. */
  hangs?: boolean
  /** Answers come when it has resolved. */
  until?: Promise<void>
  /** What is fetched comes in so many pieces, one a second. */
  pieces?: number
}

export interface ServerOptions {
  /** Key and certificate, for HTTPS. */
  tls?: { key: Buffer; cert: Buffer }
}

/** Serves the bare repositories of `root` to whoever has `token` as their password; without a token, to everybody. */
export async function gitServer(root: string, token: string | null, { tls }: ServerOptions = {}): Promise<GitServer> {
  const seen = { withToken: false, inArguments: [] as string[] }
  const faults: ServerFaults = {}
  const large = largeStore()
  let fetches = 0
  const server = tls ? https.createServer(tls, serve) : http.createServer(serve)
  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    if (faults.hangs) return
    if (faults.unavailable) {
      faults.unavailable -= 1
      response.writeHead(503).end()
      return
    }
    await faults.until
    const [, basic = ''] = (request.headers.authorization ?? '').split(' ')
    const [, password] = Buffer.from(basic, 'base64').toString('utf8').split(':')
    seen.inArguments.push(
      ...commandLines().filter(line => token && (line.includes(token) || (basic !== '' && line.includes(basic)))),
    )
    if (token !== null && password !== token) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    seen.withToken = token !== null
    if (large.answers(request, response)) return
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
    const env = {
      PATH: process.env.PATH ?? '',
      ...{ GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', REMOTE_USER: 'you', REMOTE_ADDR: '127.0.0.1' },
      ...{ PATH_INFO: pathname, QUERY_STRING: search.slice(1), REQUEST_METHOD: request.method ?? 'GET' },
      ...{ CONTENT_TYPE: request.headers['content-type'] ?? '', HTTP_CONTENT_ENCODING: '' },
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    }
    if (request.headers['content-encoding']) env.HTTP_CONTENT_ENCODING = String(request.headers['content-encoding'])
    const backend = spawn('git', ['http-backend'], { env })
    const sent: Buffer[] = []
    request.on('data', chunk => sent.push(chunk))
    let pieces = 1
    request.on('end', () => {
      if (!isFetch(request.headers['content-encoding'], Buffer.concat(sent))) return
      fetches += 1
      pieces = faults.pieces ?? 1
    })
    request.pipe(backend.stdin)
    const chunks: Buffer[] = []
    backend.stdout.on('data', chunk => chunks.push(chunk))
    backend.on('close', () => void answer(response, Buffer.concat(chunks), pieces))
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => seen,
    fetches: () => fetches,
    faults,
    large,
    close: () => {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

/** gitprotocol-v2(5). */
function isFetch(encoding: string | undefined, body: Buffer): boolean {
  return (encoding === 'gzip' ? gunzipSync(body) : body).toString('latin1').includes('command=fetch')
}

/** What a CGI program says: headers, an empty line, a body. */
async function answer(response: http.ServerResponse, said: Buffer, pieces: number): Promise<void> {
  const end = said.indexOf('\r\n\r\n')
  const headers = said.subarray(0, end).toString('utf8').split('\r\n')
  const status = headers.find(line => /^status:/i.test(line))
  response.statusCode = status ? Number(/\d+/.exec(status)?.[0]) : 200
  for (const line of headers) {
    const colon = line.indexOf(':')
    if (colon > 0 && !/^status$/i.test(line.slice(0, colon)))
      response.setHeader(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const body = said.subarray(end + 4)
  const endOf = (piece: number) => Math.floor((body.length * piece) / pieces)
  for (let piece = 1; piece < pieces; piece++) {
    response.write(body.subarray(endOf(piece - 1), endOf(piece)))
    await pause(1_000)
  }
  response.end(body.subarray(endOf(pieces - 1)))
}

function commandLines(): string[] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return []
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')]
    } catch {
      return []
    }
  })
}
