/** Where a log goes: as text that a terminal may be shown, as JSON, or byte for byte. */
import type { StampedLine, Stamps } from '../../src/clients/log-times.ts'
import { cleaner, jsonText, sanitize, sanitizeColoured } from '../../src/text/sanitize.ts'
import { renderer } from '../../src/transcript/render.ts'
import type { Cli, Format } from '../cli/cli.ts'
import { hasColour } from '../cli/colour.ts'

export interface LogSink {
  /** The next bytes of the log, which begin at `offset` of it. Resolves when the reader can take more. */
  push(bytes: Buffer, offset: number): Promise<void>
  /** What is left when there is no more. Call it once. */
  end(): Promise<void>
}

export interface SinkOptions {
  format: Format
  /** The bytes as they are. */
  isRaw?: boolean
  /** Puts the time before each line; JSON has it always. */
  stamps?: Stamps | undefined
}

/** An agent's stream becomes readable on a terminal; in a pipe its lines stay as they are. Colours stay in both. */
export function logSink(cli: Cli, to: NodeJS.WriteStream, { format, isRaw = false, stamps }: SinkOptions): LogSink {
  if (isRaw) return { push: bytes => written(to, bytes), end: async () => {} }
  if (stamps && (format === 'json' || format === 'ndjson')) return jsonSink(to, stamps, format === 'json')
  // A pipe is not asked what it understands: it gets the colours unless its user wants none.
  const env = to.isTTY ? cli.env : { ...cli.env, TERM: 'xterm' }
  const hasColours = hasColour({ colour: cli.colour, env }, true)
  const text = textOf(to.isTTY === true, hasColours)
  if (!stamps) {
    const decoder = new TextDecoder()
    return {
      push: bytes => written(to, text.push(decoder.decode(bytes, { stream: true }))),
      end: () => written(to, text.rest()),
    }
  }
  const stamped = ({ stamp, line }: StampedLine) => text.push(line.toString('utf8')).replace(/^(?=.)/gm, stamp)
  return {
    push: async (bytes, offset) => written(to, (await stamps.split(bytes, offset)).map(stamped).join('')),
    end: () => written(to, stamps.rest().map(stamped).join('') + text.rest()),
  }
}

function textOf(isTerminal: boolean, hasColours: boolean) {
  const render = isTerminal ? renderer() : null
  const clean = cleaner(hasColours ? sanitizeColoured : sanitize)
  let isColoured = false
  const seen = (text: string) => {
    isColoured ||= text.includes('\x1b')
    return text
  }
  return {
    push: (piece: string) => seen(clean.push(render ? render.push(piece) : piece)),
    rest: () => {
      const last = seen(clean.push(render?.rest() ?? '') + clean.rest())
      // A colour that was never taken back would go on behind the log.
      return isColoured && isTerminal ? `${last}\x1b[0m` : last
    },
  }
}

/** `{"at","text"}` a line of the log; `at` is null where no time was noted. */
function jsonSink(to: NodeJS.WriteStream, stamps: Stamps, isArray: boolean): LogSink {
  let count = 0
  const line = ({ stamp, line }: StampedLine) => {
    const json = jsonText({ at: stamp.trim() || null, text: line.toString('utf8').replace(/\r?\n$/, '') })
    return isArray ? `${count++ === 0 ? '[' : ','}${json}` : `${json}\n`
  }
  return {
    push: async (bytes, offset) => written(to, (await stamps.split(bytes, offset)).map(line).join('')),
    end: () => written(to, stamps.rest().map(line).join('') + (isArray ? `${count === 0 ? '[' : ''}]\n` : '')),
  }
}

function written(to: NodeJS.WriteStream, chunk: string | Buffer): Promise<void> {
  if (chunk.length === 0) return Promise.resolve()
  return new Promise((resolve, reject) => to.write(chunk, error => (error ? reject(error) : resolve())))
}
