/** A way to the daemon's socket that counts what goes through, and cuts or holds a connection when the test says so. */
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { afterFile } from '../after-file.ts'
import type { Home } from '../daemon/home.ts'

export interface SocketProxy {
  /** The environment with which `tdf` goes through it. */
  env: Record<string, string>
  /** What commands sent to the daemon, in bytes, since it was last set to 0. */
  sentBytes: number
  /** The first lines of the requests, since it was last emptied. */
  requests: string[]
  /** Looks at what is about to pass, with the bytes that did; whatever it returns is waited for, and false cuts the connection. */
  onData: (chunk: Buffer, sentBytes: number) => boolean | Promise<boolean>
  close(): void
}

export async function socketProxy(home: Home): Promise<SocketProxy> {
  const at = path.join(home.dir, 'proxy.sock')
  const open = new Set<net.Socket>()
  const server = net.createServer(async near => {
    const far = net.connect(path.join(home.dir, 'run', 'tdf.sock'))
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
    }
    far.pipe(near)
    try {
      for await (const chunk of near as AsyncIterable<Buffer>) {
        proxy.requests.push(...(chunk.toString('latin1').match(/^(?:GET|POST|PUT|DELETE) \S+/gm) ?? []))
        if (!(await proxy.onData(chunk, proxy.sentBytes))) return near.destroy()
        proxy.sentBytes += chunk.length
        if (!far.write(chunk)) await drained(far)
      }
      far.end()
    } catch {
      far.destroy()
    }
  })
  const proxy: SocketProxy = {
    env: { TDF_HOST: `unix://${at}` },
    sentBytes: 0,
    requests: [],
    onData: () => true,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
  server.listen(at)
  await once(server, 'listening')
  afterFile(proxy.close)
  return proxy
}

const drained = (socket: net.Socket) =>
  new Promise<void>(resolve => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
