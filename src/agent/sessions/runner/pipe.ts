/**
 * A pipe for a command's output. Node would make a socket pair, and a program that opens /dev/stderr cannot open a
 * socket; it would also make two, and the order of stdout and stderr would be lost. So: a fifo, both ends opened here.
 */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { join } from 'node:path'
import { makeFifo } from '../../isolation/system-tool.ts'

export interface OutputPipe {
  /**
   * What comes, piece by piece; nothing more is read before the next one is asked for, so the pipe fills and the command
   * waits when we are slow. All pieces lie in the same memory, each in place of the one before: a gigabyte of fresh
   * buffers is a lot to collect.
   */
  pieces: AsyncIterable<Buffer>
  /** Ends the pieces, also while another process holds the write end. */
  cut(): void
  /** For the command's stdout and stderr. */
  writeEnd: number
  closeWriteEnd(): void
}

const PIECE_BYTES = 64 * 1024

export async function openPipe(folder: string, name: string): Promise<OutputPipe> {
  const path = join(folder, `${name}.fifo`)
  rmSync(path, { force: true })
  const made = await makeFifo(path, { cwd: folder, timeoutMs: 10_000 })
  if (made.exitCode !== 0) throw new Error(`mkfifo failed: ${made.stderr.trim()}`)
  // The reader first and without waiting: then opening the write end does not wait either, and that one stays blocking.
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = openSync(path, constants.O_WRONLY)
  rmSync(path)
  return { ...openReader(readEnd), writeEnd, closeWriteEnd: () => closeSync(writeEnd) }
}

function openReader(fd: number): Pick<OutputPipe, 'pieces' | 'cut'> {
  const memory = Buffer.alloc(PIECE_BYTES)
  let piece: Buffer | null = null
  let isOver = false
  let wake = () => {}
  const onread = {
    buffer: memory,
    callback: (bytes: number) => {
      piece = memory.subarray(0, bytes)
      wake()
      return false
    },
  }
  // The types know `onread` only where a socket connects; its constructor takes it as well (lib/net.js, Node 20).
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = { fd, readable: true, writable: false, onread }
  const socket = new Socket(options)
  socket.on('error', () => {})
  socket.once('close', () => {
    isOver = true
    wake()
  })
  async function* pieces() {
    for (;;) {
      if (piece === null && !isOver) {
        const arrived = new Promise<void>(resolve => {
          wake = resolve
        })
        socket.resume()
        await arrived
      }
      const taken: Buffer | null = piece
      piece = null
      if (taken === null) return
      yield taken
    }
  }
  return { pieces: pieces(), cut: () => void socket.destroy() }
}
