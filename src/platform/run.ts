/** Runs a program to its end, within a time and with bounded buffers; and what programs have of the environment of tdf. */
import { execFile } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { underUmask } from './files.ts'
import { sendSignal } from './process.ts'

const CERTIFICATE_VARIABLES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'GIT_SSL_CAINFO']

/** A proxy and certificates, as curl, git, node and OpenSSL read them. They hold for all that is started here. */
export const NETWORK_VARIABLES = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap(name => [name, name.toLowerCase()]),
  ...CERTIFICATE_VARIABLES,
]

/** What a program that a task runs has of the environment of the program that starts it. */
export const INHERITED_VARIABLES = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TMPDIR', 'XDG_RUNTIME_DIR'],
  ...NETWORK_VARIABLES,
]

/** The named variables, as far as they are set. */
export function pickVariables(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of names) {
    const value = env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

/** Files and folders that the variables of certificates name, absolute ones alone; SSL_CERT_DIR is a list (OpenSSL). */
export const certificatePlaces = (env: Readonly<Record<string, string | undefined>>): string[] =>
  Object.values(pickVariables(env, CERTIFICATE_VARIABLES))
    .flatMap(value => value.split(':'))
    .filter(path => path.startsWith('/') && path !== '/')

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
  /** What that file has already stays. */
  appends?: boolean
  /** How the output becomes a string; latin1 keeps every byte, for names that are not UTF-8. */
  encoding?: 'utf8' | 'latin1'
  /** umask(2) of the program; ours without one. */
  umask?: number
  signal?: AbortSignal
  /** Told of what comes on stderr, as it comes: progress. The whole of it is in the result. */
  onStderr?(text: string): void
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

/** Runs a program without a shell and waits for its end. Never throws: a program that cannot start has exitCode null. */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  // Loaded by the first call: a session's runner starts no such program, and its start is waited for.
  const { execa } = await import('execa')
  try {
    const started = withOutput(options, stdout =>
      underUmask(options.umask, () => execa(file, args, { ...FIXED, ...settings(options), ...stdout })),
    )
    if (options.onStderr) started.stderr?.on('data', chunk => options.onStderr?.(String(chunk)))
    // Helper programs hold the pipes that are waited for.
    started.once('exit', (_code, signal) => {
      if (options.ownGroup && signal && started.pid) sendSignal(-started.pid, 'SIGKILL')
      if (started.killed) for (const stream of [started.stdout, started.stderr]) stream?.destroy()
    })
    const { exitCode, signal = null, stdout, stderr, shortMessage, ...result } = await started
    // One that we end may still exit with 0; so does one whose input or output broke off, and no error of it has another code.
    const isEnded = result.timedOut || result.isCanceled || result.isMaxBuffer
    const isBroken = result.failed && !isEnded && !signal && !exitCode
    const said = isBroken ? (result.originalMessage ?? shortMessage) : stderr
    const code = isEnded || isBroken ? null : (exitCode ?? null)
    return {
      exitCode: code,
      signal,
      stdout: String(stdout ?? ''),
      stderr: String(said ?? ''),
      timedOut: result.timedOut,
    }
  } catch (error) {
    return { exitCode: null, signal: null, stdout: '', stderr: String(error), timedOut: false }
  }
}

const FIXED = { extendEnv: false, reject: false, shell: false, stripFinalNewline: false, forceKillAfterDelay: 2_000 }

/** The program gets the open file itself: it may write much, which would all pass through our memory. */
function withOutput<T>({ outputFile, appends }: RunOptions, start: (stdout: { stdout?: 3 }) => T): T {
  if (outputFile === undefined) return start({})
  const output = openSync(outputFile, appends === true ? 'a' : 'w')
  try {
    // Any number of an open file will do; the types of execa know the first ones.
    return start({ stdout: output as 3 })
  } finally {
    closeSync(output)
  }
}

function settings(options: RunOptions) {
  return {
    cwd: options.cwd,
    env: options.env,
    timeout: options.timeoutMs,
    maxBuffer: options.outputBytesMax ?? 16 * 1024 * 1024,
    encoding: options.encoding ?? 'utf8',
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    ...(options.ownGroup ? { detached: true, killSignal: 'SIGKILL' as const } : {}),
  }
}

/**
 * The same for a small program that prints little, without execa, where a session's start waits for it: mkfifo takes 4 ms,
 * to load execa 105 ms (the bundled part, medians of five on two busy processors). Output is bounded at 1 MiB.
 */
export function runSmall(
  file: string,
  args: readonly string[],
  { cwd, env, timeoutMs }: Pick<RunOptions, 'cwd' | 'env' | 'timeoutMs'>,
): Promise<RunResult> {
  return new Promise(resolve => {
    const child = execFile(file, args, { cwd, env, timeout: timeoutMs }, (error, stdout, stderr) => {
      const { pid, exitCode, signalCode: signal } = child
      const timedOut = error?.killed === true
      if (pid === undefined) resolve({ exitCode: null, signal, stdout, stderr: String(error?.message), timedOut })
      else resolve({ exitCode, signal, stdout, stderr, timedOut })
    })
    child.stdin?.end()
  })
}
