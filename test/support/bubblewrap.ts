/** Whether this machine can confine a command; a test that needs it says so where it cannot. */
import { spawnSync } from 'node:child_process'
import { it } from 'vitest'

const PROBE = ['--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', 'true']

export function whereConfined(what: string, tests: () => void): void {
  if (spawnSync('bwrap', PROBE).status === 0) return tests()
  const why = `not run: ${what} (there is no bwrap here that can make a sandbox)`
  // A file of tests has to have one.
  it(why, () => void process.stderr.write(`${why}\n`))
}
