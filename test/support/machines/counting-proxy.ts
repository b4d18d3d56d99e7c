/** A proxy on loopback that leads every host name to one server here, and notes whom it was asked for. */
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterFile } from '../after-file.ts'

export interface CountingProxy {
  url: string
  /** `CONNECT host:port`, or the method and the whole URL of a request. */
  asked: string[]
}

/** `target` is the port of the server that answers for all. */
export async function countingProxy(target: () => number): Promise<CountingProxy> {
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const { pathname, search, host } = new URL(request.url ?? '')
    const options = { port: target(), host: '127.0.0.1', method: request.method, headers: { ...request.headers, host } }
    const on = http.request({ ...options, path: pathname + search }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    on.on('error', () => response.destroy())
    request.pipe(on)
  })
  server.on('connect', (request, socket, head) => {
    asked.push(`CONNECT ${request.url}`)
    const on = net.connect(target(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      on.write(head)
      on.pipe(socket).pipe(on)
    })
    on.on('error', () => socket.destroy())
    socket.on('error', () => on.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterFile(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
