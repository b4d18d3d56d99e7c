/** What is on the branch of a pull request, fetched into our own repository; and the merge with the branch it goes into. */
import { ownerGitEnv } from '../../../../src/platform/git.ts'
import { run } from '../../../../src/platform/run.ts'
import { mergeTree } from '../../merge.ts'
import type { Repository } from '../../repository.ts'
import { credentialEnv } from '../branch.ts'
import { unavailable } from './view.ts'

const FETCH_TIMEOUT_MS = 300_000
const SAID_CHARACTERS_MAX = 500

export interface Remote {
  remote: string
  token: string | null
}

/** Fetches a branch under `ref` and answers its commit. Throws FORGE_UNAVAILABLE. */
export async function fetchBranch(
  repository: Repository,
  { remote, token }: Remote,
  branch: string,
  ref: string,
  signal: AbortSignal,
): Promise<string> {
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']
  const safe = ['-c', 'core.hooksPath=/dev/null', '-c', 'protocol.ext.allow=never', '-c', 'fetch.fsckObjects=true']
  const args = ['--git-dir', repository.dir, 'fetch', ...flags, '--', remote, `+refs/heads/${branch}:${ref}`]
  const { exitCode, stderr } = await run('git', [...safe, ...args], {
    cwd: repository.dir,
    env: ownerGitEnv(credentialEnv(remote, token)),
    timeoutMs: FETCH_TIMEOUT_MS,
    signal,
    ownGroup: true,
  })
  if (exitCode !== 0) throw unavailable(`${branch} cannot be fetched: ${stderr.trim().slice(-SAID_CHARACTERS_MAX)}`)
  return (await repository.must(['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`])).trim()
}

const AUTHOR = { GIT_AUTHOR_NAME: 'tdf', GIT_AUTHOR_EMAIL: 'tdf@localhost' }
const COMMITTER = { GIT_COMMITTER_NAME: 'tdf', GIT_COMMITTER_EMAIL: 'tdf@localhost' }

/**
 * A commit that has both as its parents, with the marks of conflicts in its files where there are some. The same two give
 * the same commit at the same time. Throws GIT_TOO_OLD or RESULT_BROKEN.
 */
export async function mergeOf(
  repository: Repository,
  { ours, theirs, base }: { ours: string; theirs: string; base: string },
  at: number,
): Promise<{ commit: string; files: string[] }> {
  const merged = await mergeTree(repository, ours, theirs)
  const files = merged.kind === 'clean' ? [] : merged.files
  const date = `${Math.floor(at / 1000)} +0000`
  const env = { ...AUTHOR, ...COMMITTER, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
  const message = `Merge ${base}${files.length > 0 ? ' with conflicts' : ''}`
  const made = await repository.must(['commit-tree', merged.tree, '-p', ours, '-p', theirs, '-m', message], { env })
  return { commit: made.trim(), files }
}

/** Names the commit that the next attempt begins from, with the conversation of the one whose result is `ref`. Answers the name. */
export async function nameStart(repository: Repository, ref: string, commit: string): Promise<string> {
  const start = `${ref}-start`
  await repository.alone(async () => {
    await repository.must(['update-ref', start, commit])
    const session = await repository.may(['rev-parse', '--verify', '--quiet', `${ref}-session`])
    if (session.exitCode === 0) await repository.must(['update-ref', `${start}-session`, session.stdout.trim()])
  })
  await repository.save()
  return start
}
