/** Where on this machine a word can be found: in files, and in what processes were started with. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Processes that have `word` in their command line or environment, but this one. */
export function processesWith(word: string): string[] {
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    return ['cmdline', 'environ'].some(name => {
      try {
        return readFileSync(`/proc/${pid}/${name}`, 'latin1').includes(word)
      } catch {
        return false
      }
    })
  })
}

/** The names of the files below `folder` that have `word` in them; empty when there is none. */
export function filesWith(word: string, folder: string): string {
  return spawnSync('grep', ['-r', '-l', '-F', '-a', '-e', word, folder], { encoding: 'utf8' }).stdout
}
