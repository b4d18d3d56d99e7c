/** A way to a server on loopback that counts what is sent to it. */
import net, { type AddressInfo } from 'node:net'
import { afterFile } from '../after-file.ts'

export interface ByteCounter {
  url: string
  /** Bytes that were sent to the server since it was asked last. */
  sent(): number
}

export async function byteCounter(target: string): Promise<ByteCounter> {
  let bytes = 0
  const { hostname: host, port } = new URL(target)
  const server = net.createServer(socket => {
    const on = net.connect(Number(port), host)
    socket.on('data', chunk => {
      bytes += chunk.length
    })
    socket.pipe(on).pipe(socket)
    socket.on('error', () => on.destroy())
    on.on('error', () => socket.destroy())
    afterFile(() => void socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterFile(() => void server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent() {
      const sent = bytes
      bytes = 0
      return sent
    },
  }
}
