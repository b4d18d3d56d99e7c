/** A small model of whoever is told: keeps what it gets, and answers with its faults first. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Message {
  path: string
  headers: http.IncomingHttpHeaders
  body: string
}

export interface Receiver {
  url: string
  got: Message[]
  /** Answered first, one each; `cut` closes the connection without a word. */
  faults: (number | 'cut')[]
  /** Every request, also those that were answered with a fault. */
  requests(): number
  stop(): Promise<void>
}

export async function receiver(): Promise<Receiver> {
  const got: Message[] = []
  const faults: Receiver['faults'] = []
  let requests = 0
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      requests += 1
      const fault = faults.shift()
      if (fault === 'cut') return void request.socket.destroy()
      if (fault === undefined) {
        got.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
      }
      response.writeHead(fault ?? 200).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    ...{ got, faults },
    requests: () => requests,
    stop: () => new Promise(resolve => server.close(() => resolve()).closeAllConnections()),
  }
}
