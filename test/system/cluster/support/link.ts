/** The way from a daemon to PostgreSQL, which the test cuts: connections hang or break, answers are lost, new ones are refused. */
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

export interface Link {
  port: number
  /** Nothing passes either way and nobody is told, as when a cable is pulled; connections that are made hang too. */
  cut(): void
  /** What was held passes on; connections that were cut stay lost when `lose` is set. */
  restore(): void
  /** The next answer to a statement whose text has this in it is lost, and its connection with it. Resolves when that happened. */
  loseAnswerTo(text: string): Promise<void>
  close(): void
}

export async function createLink(target: number): Promise<Link> {
  const open = new Set<net.Socket>()
  let isCut = false
  let losing: { text: string; done: () => void } | undefined

  const server = net.createServer(near => {
    const far = net.connect(target, '127.0.0.1')
    let isLosing = false
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket)
      if (isCut) socket.pause()
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
      socket.on('data', chunk => {
        if (socket === near && losing && chunk.includes(losing.text)) isLosing = true
        if (socket === far && isLosing) {
          losing?.done()
          losing = undefined
          far.destroy()
          return
        }
        if (!other.write(chunk)) {
          socket.pause()
          other.once('drain', () => {
            if (!isCut) socket.resume()
          })
        }
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      for (const socket of open) socket.pause()
    },
    restore() {
      isCut = false
      for (const socket of open) socket.resume()
    },
    loseAnswerTo(text) {
      return new Promise(done => {
        losing = { text, done: () => done() }
      })
    },
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
