/**
 * A bound on open connections that keeps no honest caller out: when it is reached, the connection that has been idle
 * longest gives way. Node's own `maxConnections` would refuse the newcomer instead.
 */
import type http from 'node:http'
import type { Socket } from 'node:net'

export function boundConnections(server: http.Server, max: number): void {
  // In the order of their last sign of life.
  const idle = new Set<Socket>()
  const busy = new Set<Socket>()

  server.on('connection', socket => {
    idle.add(socket)
    socket.once('close', () => {
      idle.delete(socket)
      busy.delete(socket)
    })
    if (idle.size + busy.size <= max) return
    const oldest = idle.values().next().value ?? socket
    // Out of the count at once: its end is only told later.
    idle.delete(oldest)
    oldest.destroy()
  })
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    const { socket } = request
    idle.delete(socket)
    busy.add(socket)
    response.once('close', () => {
      if (busy.delete(socket) && !socket.destroyed) idle.add(socket)
    })
  })
}
