/**
 * Files in Git LFS as content: what came in the bundle, or what the server of a clone gives, lies where git-lfs looks for it
 * before the files are checked out. Its filter is set in the repository, and asks no server by itself.
 */
import { appendFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asTdfError } from '../../../core/errors.ts'
import { LARGE_REFS } from '../../../core/source.ts'
import { OPEN_UMASK } from '../../../platform/files.ts'
import { git, isPassingFailure } from '../../../platform/git.ts'
import { bundleRefs } from '../../../platform/objects/bundle.ts'
import { largeIn, objectPath, unpackLarge, withinBounds } from '../../../platform/objects/large.ts'
import { filterFor, hasLfs, NO_PROGRAM, reasonOf, serverOf, serverSetting } from '../../../platform/objects/lfs.ts'
import { type PointerBlob, pointersOf, type RunGit } from '../../../platform/objects/pointers.ts'
import { gitProgress } from '../../../text/progress/how-far.ts'
import type { BuildContext } from '../../agent.ts'
import { isPlainFile } from '../../salvage/untrusted.ts'
import { printable } from '../report.ts'
import { BuildFailure, bundlePath } from '../workspace.ts'

/** Why some of the files are pointers in the work tree, as a sentence; null where none is, or none is in Git LFS. */
export function bringLarge(context: BuildContext, commit: string): Promise<string | null> {
  const { source } = context.workspace.record.request
  return source.kind === 'bundle' ? unpackBrought(context, commit) : fetchFor(context, commit)
}

async function unpackBrought(context: BuildContext, commit: string): Promise<string | null> {
  const { tree, workspace } = context
  const refs = [...(await bundleRefs(bundlePath(workspace)))].filter(([name]) => name.startsWith(LARGE_REFS))
  if (refs.length === 0) return null
  const run = gitIn(context)
  const large = (await Promise.all(refs.map(([, named]) => largeIn(run, named)))).flat()
  if (!(await hasLfs(run))) return left(large.length, large.length, `${NO_PROGRAM} on the node`)
  const held = new Set(large.map(({ sha256 }) => sha256))
  const isWhole = (await pointersOf(run, commit)).every(({ sha256 }) => held.has(sha256))
  setFilter(context, isWhole)
  const scratch = join(dirname(tree), 'large')
  try {
    await unpackLarge(run, large, { scratch, to: storeOf(context), umask: OPEN_UMASK })
  } catch (thrown) {
    throw new BuildFailure(printable(asTdfError(thrown).message))
  }
  return null
}

async function fetchFor(context: BuildContext, commit: string): Promise<string | null> {
  const run = gitIn(context)
  const pointers = await pointersOf(run, commit)
  if (pointers.length === 0) return null
  if (!(await hasLfs(run))) return left(pointers.length, pointers.length, `${NO_PROGRAM} on the node`)
  const server = await serverOf(run, commit)
  const why = withinBounds(pointers).over > 0 ? TOO_MUCH : server === undefined ? UNASKED : undefined
  const note =
    server === undefined || why !== undefined
      ? left(pointers.length, pointers.length, why ?? UNASKED)
      : await fetched(context, { commit, server, pointers })
  setFilter(context, note === null)
  return note
}

const TOO_MUCH = 'there are too many of them, or they are too large'
const UNASKED = '.lfsconfig names a server that is not asked'

async function fetched(
  context: BuildContext,
  { commit, server, pointers }: { commit: string; server: string | null; pointers: readonly PointerBlob[] },
): Promise<string | null> {
  const { tree, workspace, agent, signal } = context
  const onStderr = (said: string) => {
    workspace.doing = gitProgress(said) ?? workspace.doing
  }
  workspace.doing = `fetching ${pointers.length} files in Git LFS`
  const ran = await git([...serverSetting(server), 'lfs', 'fetch', 'origin', commit], {
    ...{ cwd: tree, env: { GIT_LFS_FORCE_PROGRESS: '1' }, timeoutMs: agent.limits.cloneMs },
    ...{ umask: OPEN_UMASK, signal, ownGroup: true, onStderr },
  })
  signal.throwIfAborted()
  const missing = pointers.filter(({ sha256 }) => !isPlainFile(objectPath(storeOf(context), sha256))).length
  if (missing === 0) return null
  const why = printable(reasonOf(ran))
  if (ran.timedOut || isPassingFailure(ran.stderr)) {
    throw new BuildFailure(`files in Git LFS did not come: ${why}`, true)
  }
  return left(missing, pointers.length, why)
}

const left = (missing: number, all: number, why: string) => `${missing} of ${all} files in Git LFS are pointers: ${why}`

const storeOf = ({ tree }: Pick<BuildContext, 'tree'>) => join(tree, '.git', 'lfs', 'objects')

function setFilter({ tree }: Pick<BuildContext, 'tree'>, isWhole: boolean): void {
  appendFileSync(join(tree, '.git', 'config'), filterFor(isWhole))
}

function gitIn({ tree, agent, signal }: BuildContext): RunGit {
  return (args, options) => git(args, { cwd: tree, timeoutMs: agent.limits.gitMs, signal, ...options })
}
