/** Which events need no push any more. Written lazily: to push one again after a crash does no harm. */

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { counter } from '../../protocol/shapes.ts'
import type { Cancel, World } from '../../world.ts'
import { type Log, messageOf } from '../log.ts'
import { readJson } from '../state/json-file.ts'

export interface Pushed {
  has(seq: number): boolean
  add(seq: number): void
  /** Drops numbers that are in use no more. */
  keepOnly(inUse: (seq: number) => boolean): void
  flush(): void
}

const LAZY_MS = 1_000

export function openPushed(world: World, log: Log, state: string): Pushed {
  const path = join(state, 'pushed.json')
  const done = new Set(readJson(path, z.array(counter)) ?? [])
  let cancel: Cancel | null = null
  const flush = () => {
    cancel?.()
    cancel = null
    try {
      writeFileSync(`${path}.tmp`, JSON.stringify([...done]), { mode: 0o600 })
      renameSync(`${path}.tmp`, path)
    } catch (error) {
      log('warn', 'pushed.json could not be written', { reason: messageOf(error) })
    }
  }
  const changed = () => {
    cancel ??= world.clock.timer(LAZY_MS, flush)
  }
  return {
    has: seq => done.has(seq),
    add: seq => {
      done.add(seq)
      changed()
    },
    keepOnly: inUse => {
      for (const seq of [...done]) if (!inUse(seq)) done.delete(seq)
      changed()
    },
    flush: () => {
      if (cancel) flush()
    },
  }
}
