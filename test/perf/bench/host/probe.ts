/** `PROBE_FILE`: when each body began and each thing was durable, as lines `<taskId> <tag> <wall-clock ms>`. */
import { openSync, writeSync } from 'node:fs'

export type Tag = `s${number}` | 'park' | 'done'
export type Probe = (taskId: string, tag: Tag) => void

/** Lines of one turn go out in one write, before anything else happens: a kill loses none that others could know of. */
export function createProbe(file: string | undefined): Probe {
  if (!file) return () => {}
  const descriptor = openSync(file, 'a')
  let lines = ''
  return (taskId, tag) => {
    if (lines === '') {
      queueMicrotask(() => {
        writeSync(descriptor, lines)
        lines = ''
      })
    }
    lines += `${taskId} ${tag} ${(performance.timeOrigin + performance.now()).toFixed(3)}\n`
  }
}
