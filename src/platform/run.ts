/** Runs a program to its end, within a time and with bounded buffers. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import process from 'node:process'
import { pipeline, type Readable, type Writable } from 'node:stream'
import { underUmask } from './files.ts'
import { sendSignal } from './process.ts'
import { type Cancel, realWorld } from './world.ts'

export interface RunOptions {
  cwd: string
  /** The whole environment of the child: nothing is inherited. */
  env: Record<string, string>
  timeoutMs: number
  input?: string | Uint8Array | Readable
  /** In bytes for each stream; a program that says more is ended. */
  outputBytesMax?: number
  /** Sends stdout into this file, byte for byte, instead of into the result. */
  outputFile?: string
  /** How the output becomes a string; latin1 keeps every byte, for names that are not UTF-8. */
  encoding?: 'utf8' | 'latin1'
  /** umask(2) of the program; ours without one. */
  umask?: number
  signal?: AbortSignal
  /**
   * Gives the program a process group of its own: when it is ended by a signal or its time-out, whatever it started is
   * killed at once with it.
   */
  ownGroup?: boolean
}

/** How a program ended. */
export interface CommandEnd {
  /** Null when it could not be started or was ended by a signal. */
  exitCode: number | null
  signal: string | null
}

export interface RunResult extends CommandEnd {
  stdout: string
  stderr: string
  timedOut: boolean
}

/** What `run` has started and waits for. */
const running = new Map<ChildProcess, () => void>()
process.once('exit', () => {
  for (const stop of running.values()) stop()
})

/** Runs a program without a shell and waits for its end. Never throws: a program that cannot start has exitCode null. */
export function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise(resolve => {
    try {
      follow(begin(file, args, options), options, resolve)
    } catch (error) {
      resolve({ exitCode: null, signal: null, stdout: '', stderr: String(error), timedOut: false })
    }
  })
}

function begin(file: string, args: readonly string[], options: RunOptions): ChildProcess {
  const { cwd, env, input, outputFile, ownGroup = false, umask } = options
  const output = outputFile === undefined ? 'pipe' : openSync(outputFile, 'w')
  try {
    const stdio: StdioOptions = [input === undefined ? 'ignore' : 'pipe', output, 'pipe']
    return underUmask(umask, () => spawn(file, args, { cwd, env, detached: ownGroup, stdio }))
  } finally {
    if (typeof output === 'number') closeSync(output)
  }
}

const KILL_AFTER_MS = 2_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

function follow(child: ChildProcess, options: RunOptions, done: (result: RunResult) => void): void {
  const { clock } = realWorld()
  const { timeoutMs, outputBytesMax = OUTPUT_BYTES_MAX, encoding = 'utf8', ownGroup, signal: abort } = options
  let [timedOut, isStopped, failure] = [false, false, '']
  const killGroup = () => child.pid !== undefined && sendSignal(-child.pid, 'SIGKILL')
  const cancels: Cancel[] = []
  const stop = () => {
    isStopped = true
    if (ownGroup) return void killGroup()
    child.kill()
    cancels.push(clock.timer(KILL_AFTER_MS, () => child.kill('SIGKILL')))
  }
  const timeUp = () => {
    timedOut = true
    stop()
  }
  const fail = (error: Error) => {
    failure ||= error.message
    if (child.pid !== undefined) stop()
  }
  running.set(child, stop)
  cancels.push(clock.timer(timeoutMs, timeUp))
  const [stdout, stderr] = [child.stdout, child.stderr].map(stream => collect(stream, outputBytesMax, stop))
  if (child.stdin) feed(child.stdin, options.input ?? '', fail)
  child.once('error', fail)
  child.once('exit', (_code, signal) => {
    // Helper programs may hold the pipes that are waited for.
    if (ownGroup && signal) killGroup()
    if (isStopped) for (const stream of [child.stdout, child.stderr]) stream?.destroy()
  })
  child.once('close', (code, signal) => {
    running.delete(child)
    abort?.removeEventListener('abort', stop)
    for (const cancel of cancels) cancel()
    const exitCode = isStopped || failure !== '' ? null : code
    const said = failure || (stderr?.().toString(encoding) ?? '')
    done({ exitCode, signal, stdout: stdout?.().toString(encoding) ?? '', stderr: said, timedOut })
  })
  abort?.addEventListener('abort', stop, { once: true })
  if (abort?.aborted) stop()
}

/** A program that says more is ended: part of an answer is none. */
function collect(stream: Readable | null, bytesMax: number, tooMuch: () => void): () => Buffer {
  const chunks: Buffer[] = []
  let left = bytesMax
  stream?.on('data', (chunk: Buffer) => {
    if (left >= 0 && chunk.length > left) tooMuch()
    chunks.push(chunk.subarray(0, Math.max(left, 0)))
    left -= chunk.length
  })
  return () => Buffer.concat(chunks)
}

/** That a program ends before it has read everything is its own affair. */
function feed(stdin: Writable, input: string | Uint8Array | Readable, fail: (error: Error) => void): void {
  const closed = ['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE']
  const ended = (error: NodeJS.ErrnoException | null | undefined) => {
    if (error && !closed.includes(error.code ?? '')) fail(error)
  }
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) return void pipeline(input, stdin, ended)
  stdin.on('error', ended)
  stdin.end(input)
}
