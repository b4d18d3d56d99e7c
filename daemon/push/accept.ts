/** Where the branch of a task may go. Nothing is asked of the remote: that is the push's own matter. */
import type { Config } from '../../src/config/schema.ts'
import { TdfError } from '../../src/errors.ts'
import { hasPassword, isMetadataUrl, isRepositoryUrl } from '../../src/git.ts'
import type { SubmitRequest } from '../../src/protocol/submit.ts'
import type { PushSpec } from '../../src/task.ts'

/** Throws PUSH_NOWHERE when a push is wanted and there is nowhere to push to. */
export function pushOf(
  { config }: { config: Config },
  { push, remote, repo }: Pick<SubmitRequest, 'push' | 'remote' | 'repo'>,
): PushSpec | null {
  const wanted = push ?? config.push.default
  if (wanted === 'never') return null
  const to = remote ?? (repo.kind === 'git' ? repo.url : null)
  if (to === null) {
    throw new TdfError('PUSH_NOWHERE', 'the repository has no remote to push to; name one, or say --no-push', {
      field: 'remote',
      hint: 'git remote --verbose',
    })
  }
  return { remote: checkedRemote(to), pr: wanted === 'pr' }
}

/** Throws PUSH_NOWHERE. */
export function checkedRemote(remote: string): string {
  if (!isRepositoryUrl(remote) || isMetadataUrl(remote)) {
    throw new TdfError('PUSH_NOWHERE', `"${remote}" is no repository that can be pushed to`, { field: 'remote' })
  }
  if (hasPassword(remote)) {
    throw new TdfError('PUSH_NOWHERE', 'the remote has a password in its address; keep it as a secret instead', {
      field: 'remote',
      hint: 'tdf secret set --help',
    })
  }
  return remote
}
