/** What a branch points to in Git LFS goes to the server of its remote before the branch does, as `git push` with git-lfs does it. */
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { largeOf } from '../../../src/core/source.ts'
import { git, kindOfFailure } from '../../../src/platform/git.ts'
import { type LargeBlob, largeIn, unpackLarge } from '../../../src/platform/objects/large.ts'
import { hasLfs, NO_PROGRAM, reasonOf, serverOf, serverSetting } from '../../../src/platform/objects/lfs.ts'
import type { Push } from '../../../src/store/tables/pushes.ts'
import type { Repository } from '../repository.ts'
import { borrowing } from '../sources/large.ts'
import { credentialEnv, type Pushed } from './branch.ts'

export interface LargePush {
  push: Pick<Push, 'remote' | 'commitId'>
  /** Of the result, whose content stands beside it. */
  ref: string
  tokenOf(server: string): string | null
  signal: AbortSignal
}

const TIMEOUT_MS = 30 * 60_000
const BATCH = 500

/** `pushed`: nothing of it stands in the way of the branch. A server is only sent what it says it lacks. */
export async function pushLarge(repository: Repository, wish: LargePush): Promise<Pushed> {
  const found = await repository.may(['rev-parse', '--quiet', '--verify', `${largeOf(wish.ref)}^{commit}`])
  if (found.exitCode !== 0) return { kind: 'pushed' }
  const large = await largeIn(repository.may, found.stdout.trim())
  const refused = (why: string) => ({
    kind: 'refused' as const,
    why: `${large.length === 1 ? 'a file' : `${large.length} files`} in Git LFS cannot go along: ${why}`,
  })
  if (!(await hasLfs(repository.may))) return refused(`${NO_PROGRAM} where the daemon runs`)
  const server = await serverOf(repository.may, wish.push.commitId)
  if (server === undefined) return refused('.lfsconfig names a server that is not asked')
  const scratch = await mkdtemp(path.join(repository.dir, 'tmp-large-'))
  try {
    return await send(repository, { ...wish, server }, large, scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function send(
  repository: Repository,
  { push: { remote, commitId }, tokenOf, signal, server }: LargePush & { server: string | null },
  large: readonly LargeBlob[],
  scratch: string,
): Promise<Pushed> {
  const own = await borrowing(repository, scratch, commitId.length)
  const to = path.join(own, 'lfs', 'objects')
  await unpackLarge(repository.may, large, { scratch: path.join(scratch, 'content'), to })
  const asked = server ?? remote
  for (let at = 0; at < large.length; at += BATCH) {
    const ids = large.slice(at, at + BATCH).map(({ sha256 }) => sha256)
    const args = ['--git-dir', own, ...serverSetting(server), 'lfs', 'push', '--object-id', remote, ...ids]
    const ran = await git(args, {
      ...{ cwd: scratch, asOwner: true, ownGroup: true, timeoutMs: TIMEOUT_MS, signal },
      env: credentialEnv(asked, tokenOf(asked)),
    })
    if (ran.exitCode === 0) continue
    const isPassing = ran.timedOut || kindOfFailure(ran.stderr) === 'passing'
    return { kind: isPassing ? 'failed' : 'refused', why: `files in Git LFS were not taken: ${reasonOf(ran)}` }
  }
  return { kind: 'pushed' }
}
