/** What is on a branch of a remote, fetched into our own repository. */
import { git } from '../../../../src/platform/git.ts'
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
  const fetch = ['--git-dir', repository.dir, '-c', 'fetch.fsckObjects=true', 'fetch', ...flags]
  const { exitCode, stderr } = await git([...fetch, '--', remote, `+refs/heads/${branch}:${ref}`], {
    ...{ cwd: repository.dir, env: credentialEnv(remote, token), asOwner: true },
    ...{ timeoutMs: FETCH_TIMEOUT_MS, signal, ownGroup: true },
  })
  if (exitCode !== 0) throw unavailable(`${branch} cannot be fetched: ${stderr.trim().slice(-SAID_CHARACTERS_MAX)}`)
  return (await repository.must(['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`])).trim()
}
