/**
 * What a command prints, on its way into the log: without secrets, and, for an agent that speaks in lines, whole lines
 * of stdout and stderr in turn, of which stdout's are heard.
 */
import { openRoom } from '../../../clients/growing-buffer.ts'
import { sleep, type World } from '../../../platform/world.ts'
import { type OutputLog, openOutput, openTimes } from './output.ts'
import { type OutputPipe, openPipe } from './pipe.ts'
import { type Redactor, redactor } from './redact.ts'

const DRAIN_MS = 2_000

export interface Capture {
  /** File descriptors for the command. */
  stdout: number
  stderr: number
  closeWriteEnds(): void
  /** From now on each line of stdout goes to `hear` too. */
  listen(receive: (text: string) => void): void
  /** On the monotonic clock; -Infinity before the first byte. */
  lastByteMs(): number
  /** All that was written is in the log. A process that got away must not keep it open for ever. */
  finish(): Promise<void>
}

export interface CaptureOptions {
  folder: string
  log: { path: string; timesPath: string; bytesMax: number }
  secrets: Record<string, string>
  /** Whether it speaks in lines; else the order of stdout and stderr is kept byte for byte. */
  inLines: boolean
}

export async function openCapture(world: World, options: CaptureOptions): Promise<Capture> {
  const log = await openOutput(world, options.log.path, options.log.bytesMax, openTimes(world, options.log.timesPath))
  const pipes = [await openPipe(options.folder, 'stdout')]
  if (options.inLines) pipes.push(await openPipe(options.folder, 'stderr'))
  let lastByteMs = Number.NEGATIVE_INFINITY
  let receive = (_text: string) => {}
  const seen = () => {
    lastByteMs = world.clock.mono()
  }
  const captured = pipes.map(({ pieces }, at) => {
    const clean = redactor(options.secrets)
    if (!options.inLines) return copy(pieces, log, clean, seen)
    return copyLines(pieces, log, clean, text => at === 0 && receive(text), seen)
  })
  const [out] = pipes
  const errors = pipes.at(-1)
  return {
    stdout: out?.writeEnd ?? -1,
    stderr: errors?.writeEnd ?? -1,
    closeWriteEnds: () => {
      for (const pipe of pipes) pipe.closeWriteEnd()
    },
    listen: listener => {
      receive = listener
    },
    lastByteMs: () => lastByteMs,
    finish: async () => {
      await drain(world, pipes, Promise.all(captured))
      await log.finish()
    },
  }
}

/** One piece at a time: when the disk is slow the pipe fills and the command waits. */
async function copy(pieces: OutputPipe['pieces'], log: OutputLog, clean: Redactor, seen: () => void): Promise<void> {
  for await (const piece of pieces) {
    seen()
    await log.write(clean.push(piece))
  }
  await log.write(clean.rest())
}

async function copyLines(
  pieces: OutputPipe['pieces'],
  log: OutputLog,
  clean: Redactor,
  onText: (text: string) => void,
  seen: () => void,
): Promise<void> {
  const ready = openRoom()
  const lines = lineSplitter((bytes, text) => {
    ready.add(clean.push(bytes))
    if (text !== null) onText(text)
  })
  for await (const piece of pieces) {
    seen()
    lines.push(piece)
    await log.write(ready.take())
  }
  lines.end()
  ready.add(clean.rest())
  await log.write(ready.take())
}

async function drain(world: World, pipes: readonly OutputPipe[], captured: Promise<unknown>): Promise<void> {
  const timeUp = new AbortController()
  const limit = sleep(world.clock, DRAIN_MS, timeUp.signal).then(
    () => {
      for (const { cut } of pipes) cut()
    },
    () => {},
  )
  await captured.finally(() => timeUp.abort())
  await limit
}

/** A stream of bytes as lines, with bounded memory: of a line that is too long its bytes go on, but no text is made. */

export interface Lines {
  push(chunk: Buffer): void
  /** The stream has ended; what is left is the last line. */
  end(): void
}

const LINE_BYTES_MAX = 4 * 1024 * 1024
const NEWLINE = 10

/**
 * `onLine` gets each line whole, with its newline, in memory that is used again; its text is null when it was too long,
 * and then the bytes come in pieces, of which the last ends the line.
 */
export function lineSplitter(onLine: (bytes: Buffer, text: string | null) => void, bytesMax = LINE_BYTES_MAX): Lines {
  const begun = openRoom()
  let isOverlong = false
  const give = (bytes: Buffer, isEnd: boolean) => {
    isOverlong ||= !isEnd
    onLine(bytes, isOverlong ? null : bytes.toString('utf8').trimEnd())
    if (isEnd) isOverlong = false
  }
  const add = (bytes: Buffer, isEnd: boolean) => {
    if (isEnd && begun.size() === 0) return give(bytes, true)
    begun.add(bytes)
    if (isEnd || begun.size() > bytesMax) give(begun.take(), isEnd)
  }
  return {
    push: chunk => {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        add(chunk.subarray(from, at + 1), true)
        from = at + 1
      }
      if (from < chunk.length) add(chunk.subarray(from), false)
    },
    end: () => {
      if (begun.size() > 0) add(Buffer.from('\n'), true)
    },
  }
}
