/** What a cloud tells a machine that asks, at the address where clouds are asked. It gives away the machine's document. */
import { createServer } from 'node:http'
import { METADATA_ADDRESS } from './network.ts'

export interface Metadata {
  /** From whom questions came. */
  asked: string[]
  stop(): Promise<void>
}

/** Needs the bridge of a site. */
export async function serveMetadata(text: () => string): Promise<Metadata> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.socket.remoteAddress ?? '')
    response.end(text())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(80, METADATA_ADDRESS, resolve)
  })
  return {
    asked,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
