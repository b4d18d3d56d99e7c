/** The content of files in Git LFS that a task made, into the store of git-lfs of the user's repository, where checkouts find it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { unpackBundle } from '../../src/platform/objects/bundle.ts'
import { largeIn, unpackLarge } from '../../src/platform/objects/large.ts'
import { hasLfs, NO_PROGRAM } from '../../src/platform/objects/lfs.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { type Cli, say } from '../cli/cli.ts'
import { type Git, largeStore, readingGit, runner } from '../cli/git.ts'
import { attemptOf } from './taken.ts'

const FETCH_MS = 600_000

/** Does nothing where there is none. `git` runs in the folder `cwd` of the user's repository. Throws RESULT_BROKEN. */
export async function takeLarge(cli: Cli, git: Git, cwd: string, task: TaskJson): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-large-'))
  try {
    const download = path.join(folder, 'large.bundle')
    if (!(await downloaded(cli, task, download))) return
    const own = path.join(folder, 'own.git')
    const inFolder = readingGit(cli, folder)
    const format = `--object-format=${task.result?.commit.length === 64 ? 'sha256' : 'sha1'}`
    await inFolder(['init', '--quiet', '--bare', '--template=', format, own])
    const run = runner(inFolder, { GIT_DIR: own })
    const target = { objects: path.join(own, 'objects'), isFresh: true }
    const refs = await unpackBundle(download, {
      ...target,
      git: (args, { env, ...more }) => inFolder(args, { GIT_DIR: own, ...env }, more),
    })
    const store = await largeStore(git, cwd)
    let count = 0
    for (const commit of refs.values()) {
      count += await unpackLarge(run, await largeIn(run, commit), { scratch: path.join(folder, 'content'), to: store })
    }
    const what = `${count === 1 ? '1 file' : `${count} files`} in Git LFS`
    if (await hasLfs(runner(git))) return
    say(cli, `note: the content of ${what} is in ${store}, and ${NO_PROGRAM}: then \`git lfs checkout\` shows it`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A daemon of an older version knows no such content. */
async function downloaded(cli: Cli, task: TaskJson, download: string): Promise<boolean> {
  try {
    const reply = await cli.client().raw({ path: `/tasks/${attemptOf(task)}/large`, download, timeoutMs: FETCH_MS })
    return reply.status !== 204
  } catch (thrown) {
    if (thrown instanceof TdfError && thrown.code === 'VERSION_SKEW') return false
    throw thrown
  }
}
