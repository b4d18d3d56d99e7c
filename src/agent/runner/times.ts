/** When which byte of a log was written: a line `MS OFFSET` now and then, so that a log can be read from a time on. */
import { appendFile } from 'node:fs/promises'
import type { World } from '../../world.ts'

/** Twice a second for nearly three hours, then every ten seconds: all of it is less than a chunk of a log. */
const OFTEN = { count: 20_000, everyMs: 500 }
const SELDOM = { count: 40_000, everyMs: 10_000 }

export interface Times {
  /** Called for all that is written, with the place of its first byte. Never throws: a log without times is a log. */
  mark(offset: number): Promise<void>
}

export function openTimes(world: World, path: string): Times {
  let count = 0
  let markedMs = Number.NEGATIVE_INFINITY
  return {
    mark: async offset => {
      const now = world.clock.mono()
      const { everyMs } = count < OFTEN.count ? OFTEN : SELDOM
      if (count >= SELDOM.count || now - markedMs < everyMs) return
      count += 1
      markedMs = now
      await appendFile(path, `${world.clock.now()} ${offset}\n`, { mode: 0o600 }).catch(() => {})
    },
  }
}
