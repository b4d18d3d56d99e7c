/** git-lfs at work: content that is not in a repository yet is fetched, and content that a server lacks is pushed. */
import { withoutProgress } from '../../text/progress/how-far.ts'
import { isMetadataUrl, isRepositoryUrl, withoutPasswords } from '../git.ts'
import type { RunResult } from '../run.ts'
import type { RunGit } from './pointers.ts'

export async function hasLfs(git: RunGit): Promise<boolean> {
  return (await git(['lfs', 'version'])).exitCode === 0
}

/**
 * The server that the `.lfsconfig` of a commit names in place of that of its repository; null where it names none. Undefined
 * for one that is not asked: files of this machine, metadata services, what is no address.
 */
export async function serverOf(git: RunGit, commit: string): Promise<string | null | undefined> {
  const named = await git(['config', '--blob', `${commit}:.lfsconfig`, '--get', 'lfs.url'])
  const url = named.exitCode === 0 ? named.stdout.trim() : ''
  if (url === '') return null
  return isRepositoryUrl(url) && !/^file:/i.test(url) && !isMetadataUrl(url) ? url : undefined
}

/** For `git`: the server to ask, said here so that no file of the repository decides it. */
export const serverSetting = (server: string | null) => (server === null ? [] : ['-c', `lfs.url=${server}`])

const SAID_CHARACTERS_MAX = 300

/** The last line that says why, fit for a sentence. */
export function reasonOf({ stderr, timedOut, exitCode }: RunResult): string {
  if (timedOut) return 'it took too long'
  const lines = withoutPasswords(withoutProgress(stderr)).trim().split('\n')
  const telling = lines.filter(line => !/^(?:error: failed to|fetch:)/.test(line))
  return (telling.at(-1) || lines.at(-1) || `git-lfs ended with ${exitCode}`).slice(0, SAID_CHARACTERS_MAX)
}

const SINGLE = `[filter "lfs"]
	clean = git-lfs clean -- %f
	smudge = git-lfs smudge --skip -- %f
	required = true
[lfs]
	skipdownloaderrors = true
`

/**
 * The filter of git-lfs, as `git lfs install` sets it, where all of a check-out is in the store. `SINGLE` is the one for a store that
 * lacks some: of these it gives the pointers and asks no server, which its faster `filter-process` would (git-lfs 3.3,
 * command_filter_process.go: with `--skip` it gives pointers of all).
 */
export const filterFor = (isWhole: boolean) =>
  isWhole
    ? SINGLE.replace(' --skip', '').replace('\trequired', '\tprocess = git-lfs filter-process\n\trequired')
    : SINGLE

export const NO_PROGRAM = 'git-lfs is not installed'
