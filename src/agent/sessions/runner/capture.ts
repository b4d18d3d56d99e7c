/**
 * What a command prints, on its way into the log: without secrets, and, for an agent that speaks in lines, whole lines
 * of stdout and stderr in turn, of which stdout's are read.
 */
import { openRoom } from '../../../clients/growing-buffer.ts'
import { sleep, type World } from '../../../platform/world.ts'
import { lineSplitter } from './lines.ts'
import { type OutputLog, openOutput, openTimes } from './output.ts'
import { type OutputPipe, openPipe } from './pipe.ts'
import { type Redactor, redactor } from './redact.ts'

const DRAIN_MS = 2_000

export interface Capture {
  /** File descriptors for the command. */
  stdout: number
  stderr: number
  closeWriteEnds(): void
  /** From now on `receive` gets each line of stdout too. */
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
