/** Tests that a machine may be unable to run: there they are told as not run, and count as skipped, never as passed. */
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { it } from 'vitest'

const PROBE = ['--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', 'true']

/** Where a command can be confined. */
export function whereConfined(what: string, tests: () => void): void {
  where(spawnSync('bwrap', PROBE).status === 0, `${what} (there is no bwrap here that can make a sandbox)`, tests)
}

export function whereRoot(what: string, tests: () => void): void {
  where(process.getuid?.() === 0, `${what} (only root can)`, tests)
}

function where(isPossible: boolean, what: string, tests: () => void): void {
  if (isPossible) return tests()
  it(`not run: ${what}`, ({ skip }) => skip())
}
