/** A node that lies: stands between the daemon and a true agent, and changes what the agent answers. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterFile } from '../../support/after-file.ts'
import { startAgentProcess, TOKEN } from '../../unit/src/agent/support/agent.ts'

export interface Asked {
  method: string
  /** Without its query. */
  path: string
  query: URLSearchParams
  headers: http.IncomingHttpHeaders
  body: Buffer
}

export interface Answered {
  status: number
  headers: http.OutgoingHttpHeaders
  body: Buffer
}

/** What becomes of an answer; undefined leaves it as it is. */
export type Lie = (asked: Asked, answered: Answered) => Partial<Answered> | undefined

/** Answers by itself, and says that it did. */
export type Seizure = (asked: Asked, response: http.ServerResponse) => boolean

export interface HostileNode {
  url: string
  token: string
  /** Each sees every answer, in this order. */
  lies: Lie[]
  /** Asked before the true agent is. */
  seizures: Seizure[]
  /** `METHOD PATH` of every request, oldest first. */
  requests: string[]
}

export async function startHostileNode(name: string): Promise<HostileNode> {
  const agent = await startAgentProcess({ name })
  const node: HostileNode = { url: '', token: TOKEN, lies: [], seizures: [], requests: [] }
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://node')
      const { method = 'GET', headers } = request
      const asked = { method, path: url.pathname, query: url.searchParams, headers, body: Buffer.concat(chunks) }
      node.requests.push(`${method} ${url.pathname}`)
      if (node.seizures.some(seize => seize(asked, response))) return
      // Its true agent never learns whom to call: the daemon has to ask for everything.
      if (url.pathname === '/registration') return void response.writeHead(204).end()
      passOn(agent.url, request, asked, response, node)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterFile(() => {
    server.close()
    server.closeAllConnections()
  })
  node.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return node
}

function passOn(
  upstream: string,
  request: http.IncomingMessage,
  asked: Asked,
  response: http.ServerResponse,
  { lies }: HostileNode,
): void {
  const { 'transfer-encoding': _, ...kept } = request.headers
  const headers = { ...kept, 'content-length': asked.body.length }
  const onward = http.request(new URL(request.url ?? '/', upstream), { method: asked.method, headers }, answer => {
    const chunks: Buffer[] = []
    answer.on('data', chunk => chunks.push(chunk))
    answer.on('end', () => {
      const { 'transfer-encoding': _encoding, 'content-length': _length, ...rest } = answer.headers
      let answered: Answered = { status: answer.statusCode ?? 500, headers: rest, body: Buffer.concat(chunks) }
      for (const lie of lies) answered = { ...answered, ...lie(asked, answered) }
      const length = answered.status === 204 ? {} : { 'content-length': answered.body.length }
      response.writeHead(answered.status, { ...length, ...answered.headers }).end(answered.body)
    })
  })
  onward.on('error', () => response.destroy())
  onward.end(asked.body)
}

/** The same for the JSON of answers to `METHOD PATH` that fit. */
/** biome-ignore lint/suspicious/noExplicitAny: a lie looks into answers freely */
export function jsonLie(fits: RegExp, change: (body: any, asked: Asked) => unknown): Lie {
  return (asked, { status, body }) => {
    if (!fits.test(`${asked.method} ${asked.path}`) || status >= 300) return undefined
    return { body: Buffer.from(JSON.stringify(change(JSON.parse(body.toString('utf8')), asked))) }
  }
}
