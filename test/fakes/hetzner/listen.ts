/** The fake on a port of this machine, for real daemons and for the real hcloud client. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FakeHetzner } from './cloud.ts'

export interface Listening {
  /** With `/v1`, as HCLOUD_ENDPOINT wants it. */
  endpoint: string
  stop(): Promise<void>
}

export async function listenHetzner({ fetch }: Pick<FakeHetzner, 'fetch'>, host = '127.0.0.1'): Promise<Listening> {
  const server = createServer((request, response) => {
    pass(fetch, request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://${host}:${port}/v1`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function pass(fetch: FakeHetzner['fetch'], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const hasBody = request.method !== 'GET' && chunks.length > 0
  const answer = await fetch(`http://${request.headers.host}${request.url}`, {
    method: request.method ?? 'GET',
    headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
    ...(hasBody ? { body: Buffer.concat(chunks) } : {}),
  })
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  response.end(Buffer.from(await answer.arrayBuffer()))
}
