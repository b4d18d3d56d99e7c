/** A git server over HTTP on loopback: git's own http-backend behind a password. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface GitServer {
  url: string
  /** Whether the token came in a header, and the command lines of this machine that had it in them meanwhile. */
  seen(): { withToken: boolean; inArguments: string[] }
  close(): Promise<void>
}

/** Serves the bare repositories of `root` to whoever has `token` as their password; without a token, to everybody. */
export async function gitServer(root: string, token: string | null): Promise<GitServer> {
  const seen = { withToken: false, inArguments: [] as string[] }
  const server = http.createServer((request, response) => {
    const [, basic = ''] = (request.headers.authorization ?? '').split(' ')
    const [, password] = Buffer.from(basic, 'base64').toString('utf8').split(':')
    seen.inArguments.push(
      ...commandLines().filter(
        line => (token !== null && line.includes(token)) || (basic !== '' && line.includes(basic)),
      ),
    )
    if (token !== null && password !== token) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    seen.withToken = token !== null
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
    const env = {
      PATH: process.env.PATH ?? '',
      ...{ GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', REMOTE_USER: 'you', REMOTE_ADDR: '127.0.0.1' },
      ...{ PATH_INFO: pathname, QUERY_STRING: search.slice(1), REQUEST_METHOD: request.method ?? 'GET' },
      ...{ CONTENT_TYPE: request.headers['content-type'] ?? '', HTTP_CONTENT_ENCODING: '' },
    }
    if (request.headers['content-encoding']) env.HTTP_CONTENT_ENCODING = String(request.headers['content-encoding'])
    const backend = spawn('git', ['http-backend'], { env })
    request.pipe(backend.stdin)
    const chunks: Buffer[] = []
    backend.stdout.on('data', chunk => chunks.push(chunk))
    backend.on('close', () => answer(response, Buffer.concat(chunks)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => seen,
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
}

/** What a CGI program says: headers, an empty line, a body. */
function answer(response: http.ServerResponse, said: Buffer): void {
  const end = said.indexOf('\r\n\r\n')
  const headers = said.subarray(0, end).toString('utf8').split('\r\n')
  const status = headers.find(line => /^status:/i.test(line))
  response.statusCode = status ? Number(/\d+/.exec(status)?.[0]) : 200
  for (const line of headers) {
    const colon = line.indexOf(':')
    if (colon > 0 && !/^status$/i.test(line.slice(0, colon)))
      response.setHeader(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  response.end(said.subarray(end + 4))
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
