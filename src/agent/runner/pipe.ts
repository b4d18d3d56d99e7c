/**
 * A pipe for a command's output. Node would make a socket pair, and a program that opens /dev/stderr cannot open a
 * socket; it would also make two, and the order of stdout and stderr would be lost. So: a fifo, both ends opened here.
 */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { systemTool } from '../system-tool.ts'

export interface OutputPipe {
  reader: Socket
  /** For the command's stdout and stderr. */
  writeEnd: number
  closeWriteEnd(): void
}

export async function openPipe(folder: string, name: string): Promise<OutputPipe> {
  const path = join(folder, `${name}.fifo`)
  rmSync(path, { force: true })
  const made = await systemTool('mkfifo', ['-m', '600', '--', path], {
    cwd: folder,
    timeoutMs: 10_000,
  })
  if (made.exitCode !== 0) throw new Error(`mkfifo failed: ${made.stderr.trim()}`)
  // The reader first and without waiting: then opening the write end does not wait either, and that one stays blocking.
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = openSync(path, constants.O_WRONLY)
  rmSync(path)
  return {
    reader: new Socket({ fd: readEnd, readable: true, writable: false }),
    writeEnd,
    closeWriteEnd: () => closeSync(writeEnd),
  }
}
