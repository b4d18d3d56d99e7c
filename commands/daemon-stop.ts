/** Waits until a process has ended. */

import { TdfError } from '../src/errors.ts'
import { identify, isAlive } from '../src/process.ts'
import { realWorld, sleep } from '../src/world.ts'

const WAIT_MS_MAX = 15_000
const LOOK_MS = 50

export async function waitForEnd(pid: number): Promise<void> {
  const identity = identify(pid)
  if (!identity) return
  const { clock } = realWorld()
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += LOOK_MS) {
    if (!isAlive(identity)) return
    await sleep(clock, LOOK_MS)
  }
  throw new TdfError('DAEMON_STOPPING', `the daemon (pid ${pid}) is still stopping after ${WAIT_MS_MAX / 1000} s`)
}
