/** `tdf` as a person runs it, with what a person would notice: its memory, and how long it was silent. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type Home, type Ran, root } from '../daemon/home.ts'

export interface Watched extends Ran {
  wholeMs: number
  /** From its start to the first word on stderr; null when it had none. */
  firstWordMs: number | null
  /** The most that its process had resident, in bytes. */
  memoryBytes: number
}

const LOOK_MS = 10

export function watchedCommand(home: Pick<Home, 'env'>, cwd: string, ...words: string[]): Promise<Watched> {
  const at = performance.now()
  const child = spawn(process.execPath, [path.join(root, 'dist/tdf.js'), ...words], {
    cwd,
    env: home.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  let firstWordMs: number | null = null
  let memoryBytes = 0
  const timer = setInterval(() => {
    memoryBytes = Math.max(memoryBytes, mostOf(child.pid ?? 0))
  }, LOOK_MS)
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    firstWordMs ??= performance.now() - at
    err += chunk
  })
  return new Promise(resolve => {
    child.on('close', code => {
      clearInterval(timer)
      resolve({ code, out, err, wholeMs: performance.now() - at, firstWordMs, memoryBytes })
    })
  })
}

/** Its high-water mark (proc(5), VmHWM), which never falls; 0 when it has ended. */
function mostOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
