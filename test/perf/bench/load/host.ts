/** An engine under load as a process of its own: started on a folder, asked over HTTP, watched from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createTail, type Tail } from './tail.ts'

/** The engine, and the bare loop that is the limit. */
export const PROGRAMS = { tdf: 'dist/bench-host.js', bare: '.cache/bench/bare.js' } as const
export type Program = keyof typeof PROGRAMS

export interface Host {
  pid: number
  tail: Tail
  /** Wall-clock ms from the start of the process to its first answer. */
  readyMs: number
  submit(id: string): Promise<void>
  /** False while the task has not reached its wait. */
  callback(id: string): Promise<boolean>
  /** Processor time so far, user and system, in ms. */
  cpuMs(): number
  rssBytes(): number
  /** Whether it serves, and how many rows it follows while it stands by. */
  look(): Promise<{ serves: boolean; followed: number }>
  /** How many tasks there are, and how many of them have not ended. */
  tasks(): Promise<{ all: number; live: number }>
  signal(name: NodeJS.Signals): void
  /** Its exit code; null when a signal ended it. */
  ended: Promise<number | null>
  /** SIGKILL, as a power cut; the folder stays. */
  kill(): Promise<void>
}

/** A folder for one host, on the disk of the checkout: what is measured includes its fsync. */
export function makeFolder(): { dir: string; remove(): void } {
  const dir = mkdtempSync(path.resolve('.cache/bench-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

const CONNECTIONS = 64
const READY_MS_MAX = 60_000

/** `env` is for the program, beside its own three variables. One that may stand by has started when it says so. */
export async function startHost(
  program: Program,
  dir: string,
  env: Record<string, string> = {},
  started: readonly number[] = [200],
): Promise<Host> {
  const port = await freePort()
  const probe = path.join(dir, 'probe')
  const startedAt = performance.now()
  const child = spawn(process.execPath, [PROGRAMS[program]], {
    env: { ...process.env, ...env, DATA_DIR: path.join(dir, 'data'), PORT: String(port), PROBE_FILE: probe },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise<number | null>(resolve => child.on('exit', resolve))
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const ask = (method: string, route: string) => askAgain({ agent, port, method, path: route })
  while (!started.includes(await ask('GET', '/').catch(() => 0))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode} before it answered`)
    if (performance.now() - startedAt > READY_MS_MAX) throw new Error(`${program} did not answer`)
    await pause(2)
  }
  const readyMs = performance.now() - startedAt
  const tail = createTail(probe)

  return {
    pid: child.pid ?? 0,
    tail,
    readyMs,
    async submit(id) {
      const status = await ask('POST', `/tasks/${id}`)
      if (status !== 201) throw new Error(`submit of ${id}: ${status}`)
    },
    async callback(id) {
      const status = await ask('POST', `/tasks/${id}/callback`)
      if (status !== 200 && status !== 409) throw new Error(`callback of ${id}: ${status}`)
      return status === 200
    },
    cpuMs: () => cpuMs(child),
    rssBytes: () => rssBytes(child),
    async look() {
      const response = await fetch(`http://127.0.0.1:${port}/`)
      const text = await response.text()
      return { serves: response.status === 200, followed: Number(text) }
    },
    tasks: async () => JSON.parse(await (await fetch(`http://127.0.0.1:${port}/tasks`)).text()),
    signal: name => void child.kill(name),
    ended,
    async kill() {
      tail.stop()
      agent.destroy()
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** A connection that was kept may be closed at the very moment at which it is used again: then nothing was asked yet. */
async function askAgain(options: http.RequestOptions): Promise<number> {
  return (await request(options, true)) ?? (await request(options, false)) ?? 0
}

/** Undefined when a kept connection was closed already, where that may be answered. */
function request(options: http.RequestOptions, mayBeClosed: boolean): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ ...options, host: '127.0.0.1' }, response => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (mayBeClosed && sent.reusedSocket && error.code === 'ECONNRESET') resolve(undefined)
      else reject(error)
    })
    sent.end()
  })
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = http.createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** proc(5): utime and stime are the 14th and 15th field, in ticks of 10 ms. */
function cpuMs({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function rssBytes({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
}
