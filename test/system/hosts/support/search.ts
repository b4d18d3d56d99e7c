/** Looks for a text where it must not be: in files, in what processes were called with, in what they were given. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Files below a folder that hold the text, relative to it. */
export function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name))
    .filter(file => (attempt(() => readFileSync(file)) ?? Buffer.alloc(0)).includes(text))
    .map(file => path.relative(folder, file))
    .sort()
}

export interface Found {
  pid: number
  uid: number
  /** Its command line. */
  words: string[]
}

/** Processes of this machine and of those that run on it, by what `cmdline` or `environ` of theirs holds. */
export function processesWith(part: 'cmdline' | 'environ', texts: readonly string[]): Found[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return []
    const held = attempt(() => readFileSync(`/proc/${name}/${part}`)) ?? Buffer.alloc(0)
    if (!texts.some(text => held.includes(text))) return []
    const status = attempt(() => readFileSync(`/proc/${name}/status`, 'utf8')) ?? ''
    const words = attempt(() => readFileSync(`/proc/${name}/cmdline`, 'utf8')) ?? ''
    return [{ pid: Number(name), uid: Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? -1), words: words.split('\0') }]
  })
}

function attempt<T>(act: () => T): T | null {
  try {
    return act()
  } catch {
    // It has gone meanwhile.
    return null
  }
}
