/** Temporary folders, removed when the test file is done; and waiting for things with a deadline. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterFile } from '../../../../support/after-file.ts'

export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tdf-agent-test-'))
  afterFile(() => void execFileSync('sh', ['-c', 'chmod -R u+rwX "$1"; rm -rf "$1"', '-', folder]))
  return folder
}

/** Asks until the answer is not undefined, null or false. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  ms = 15_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
