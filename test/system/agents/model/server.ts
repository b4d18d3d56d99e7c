/** A model on loopback that says what its scenario says, by whichever of the four APIs it is asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { anthropic } from './anthropic.ts'
import { chat } from './chat.ts'
import { gemini } from './gemini.ts'
import { responses } from './responses.ts'
import { type Reply, replyTo, type Turn } from './scenario.ts'
import { type Api, type Body, shellAmong, toolAmong } from './wire.ts'

const APIS: Record<string, Api> = {
  '/v1/messages': anthropic,
  '/v1/responses': responses,
  '/v1/chat/completions': chat,
}

/** The path of the fourth names the model and the call. */
const GEMINI = /^\/v1beta\/models\/[^/]+:(?:g|streamG)enerateContent$/

export interface ModelServer {
  url: string
  /** Every conversation that it was asked to continue with a tool at hand, oldest first. */
  asked: { path: string; headers: IncomingMessage['headers']; turns: Turn[] }[]
  close(): void
}

export async function startModelServer(): Promise<ModelServer> {
  const asked: ModelServer['asked'] = []
  const server = createServer((request, response) => {
    answer(asked, request, response).catch(error => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}`, asked, close }
}

async function answer(asked: ModelServer['asked'], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://model')
  const json = (status: number, body: unknown, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  const api = APIS[pathname] ?? (GEMINI.test(pathname) ? gemini : undefined)
  if (pathname.endsWith('/count_tokens')) return void json(200, { input_tokens: 100 })
  if (pathname.endsWith(':countTokens')) return void json(200, { totalTokens: 100 })
  if (pathname.endsWith('/models')) return void json(200, { object: 'list', data: [], models: [] })
  if (request.method !== 'POST' || !api) return void json(404, { error: { message: `no ${pathname}` } })

  const body = await bodyOf(request)
  const turns = api.turns(body)
  // Without a shell at hand it is a side question, such as one for a title.
  const isAside = shellAmong(api.tools(body)) === null
  const reply = isAside ? ({ kind: 'text', text: 'A title' } as const) : possible(replyTo(turns), api.tools(body))
  if (!isAside) asked.push({ path: pathname, headers: request.headers, turns })
  if (reply.kind === 'hang') return
  if (reply.kind === 'status') return void json(reply.status, api.failure(reply), reply.headers)
  if (!body.stream && !pathname.endsWith(':streamGenerateContent')) return void json(200, api.whole(body, reply))
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const { event, data } of api.stream(body, reply)) {
    const name = event === undefined ? '' : `event: ${event}\n`
    response.write(`${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)
  }
  response.end()
}

/** How Claude Code brings tools of MCP servers: it waits for a server, and loads a tool by its name. */
const BRINGERS: Record<string, (tool: string) => Record<string, unknown>> = {
  WaitForMcpServers: () => ({}),
  ToolSearch: tool => ({ query: `select:mcp__tdf__${tool}`, max_results: 5 }),
}

/** A tool that the agent does not offer yet is asked for first. One that has no such tool would be asked for it for ever. */
function possible(reply: Reply, tools: readonly string[]): Reply {
  if (reply.kind !== 'call' || toolAmong(tools, reply.tool) !== undefined) return reply
  const bringer = Object.keys(BRINGERS).find(name => tools.includes(name))
  if (bringer === undefined) return { kind: 'text', text: `There is no tool ${reply.tool}.` }
  return { kind: 'call', tool: bringer, input: BRINGERS[bringer]?.(reply.tool) ?? {} }
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
