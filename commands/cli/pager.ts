/** A long text in the user's pager. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { runForeground } from '../../src/platform/process.ts'
import type { Cli } from './cli.ts'
import { plainEnv } from './git.ts'

const NOT_FOUND = 127

/**
 * Until it is left. The text is in a file of its own, so that a pager can go to its end at once. Throws when there is
 * none.
 */
export async function showInPager(cli: Cli, pieces: AsyncIterable<string>): Promise<void> {
  const pager = cli.env.PAGER || 'less'
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-text-'))
  try {
    const file = path.join(folder, 'text')
    const handle = await open(file, 'wx', 0o600)
    try {
      for await (const piece of pieces) await handle.appendFile(piece)
    } finally {
      await handle.close()
    }
    // The variable may hold options, so a shell takes it apart, as git and others do.
    const terminal = await open('/dev/tty', 'r+')
    const words = ['-c', `${pager} "$1"`, 'sh', file]
    const options = { cwd: cli.cwd, env: plainEnv(cli), terminal: terminal.fd }
    const exit = await runForeground('sh', words, options).finally(() => terminal.close())
    if (exit === NOT_FOUND) {
      throw new TdfError('USAGE', `the pager "${pager}" was not found; PAGER names another`, {
        hint: 'export PAGER=more',
      })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
