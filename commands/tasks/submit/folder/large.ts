/**
 * The files in Git LFS of a folder, taken along with their content: what the folder's own store of git-lfs has, and what git-lfs
 * fetches into it from the remote, as `git lfs fetch` does.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { largeRef } from '../../../../src/core/source.ts'
import {
  blobsOf,
  dateOf,
  filesIn,
  nameLarge,
  objectPath,
  withinBounds,
} from '../../../../src/platform/objects/large.ts'
import { hasLfs, NO_PROGRAM, reasonOf } from '../../../../src/platform/objects/lfs.ts'
import { type PointerBlob, pointersOf } from '../../../../src/platform/objects/pointers.ts'
import { quoted } from '../../../cli/arguments.ts'
import { type Cli, say } from '../../../cli/cli.ts'
import { largeStore, readingGit, runner, userGit } from '../../../cli/git.ts'

/** What goes with the bundle of a commit. */
export interface LargeFiles {
  /** Its name in the bundle, and the commit that names the content. */
  ref: string
  commit: string
  /** The ids that git has for the content. */
  blobs: string[]
  /** A folder of objects that holds the commit, and the content once `write` has ended. */
  objects: string
  write(): Promise<void>
  remove(): Promise<void>
}

/** Says what stays behind. Null where nothing of it is to go along. */
export async function largeFilesOf(cli: Cli, top: string, commit: string): Promise<LargeFiles | null> {
  const git = readingGit(cli, top)
  const pointers = await pointersOf(runner(git), commit)
  if (pointers.length === 0) return null
  const store = await largeStore(git, top)
  const isHere = ({ sha256 }: PointerBlob) => existsSync(objectPath(store, sha256))
  const why = pointers.every(isHere) ? '' : await fetched(cli, top, commit)
  const { taken } = withinBounds(pointers.filter(isHere))
  const left = pointers.length - taken.length
  if (left > 0) {
    const mend = `git -C ${quoted(top)} lfs fetch`
    const what = left === 1 ? '1 file in Git LFS stays' : `${left} files in Git LFS stay`
    say(cli, `note: ${what} behind, and the workspace has pointers: ${why || 'there are too many'}; ${mend}`)
  }
  if (taken.length === 0) return null
  const objects = await mkdtemp(path.join(tmpdir(), 'tdf-large-'))
  const apart = runner(git, { GIT_OBJECT_DIRECTORY: objects })
  const files = filesIn(
    store,
    taken.map(({ sha256 }) => sha256),
  )
  try {
    const blobs = await blobsOf(apart, files, false)
    const made = await nameLarge(apart, blobs, await dateOf(runner(git), commit))
    return {
      ref: largeRef(made),
      commit: made,
      blobs: [...blobs.values()],
      objects,
      write: async () => void (await blobsOf(apart, files, true)),
      remove: () => rm(objects, { recursive: true, force: true }),
    }
  } catch (thrown) {
    await rm(objects, { recursive: true, force: true })
    throw thrown
  }
}

/** What the folder's store lacks comes into it. Answers why not, if not all of it does. */
async function fetched(cli: Cli, top: string, commit: string): Promise<string> {
  const git = userGit(cli, top)
  if (!(await hasLfs(runner(git)))) return NO_PROGRAM
  const [remote = ''] = (await git(['remote'])).stdout.split('\n').sort((one, other) => rank(one) - rank(other))
  if (remote === '') return 'the repository has no remote to fetch them from'
  say(cli, `getting files in Git LFS from ${remote}…`)
  const ran = await git(['lfs', 'fetch', remote, commit], {}, { ownGroup: true })
  return reasonOf(ran)
}

/** `origin` first, nothing last. */
const rank = (remote: string) => (remote === 'origin' ? 0 : remote === '' ? 2 : 1)
