/** Artifacts of a run: the commit that holds them, at REF-files, and the list of what is in it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ARTIFACTS_MAX, type Artifact, filesRefOf } from '../../core/saved.ts'
import type { ArtifactWish, Salvaged } from '../../protocol/salvage.ts'
import { artifactsFolder, salvageRepository, type Workspace, workTree } from '../workspaces/workspace.ts'
import { type Draft, treeOf, writeCommits } from './commits.ts'
import { openKeeper } from './keep.ts'
import type { BytePath } from './listing.ts'
import { contentOf, findArtifacts, latin1, UNREAD } from './tree/artifacts.ts'
import { type LeaveOut, leftOutList } from './tree/left-out.ts'
import { boundaryOf, isPlainFolder } from './untrusted.ts'
import { openView } from './view.ts'

export interface Collecting {
  workspace: Workspace
  ref: string
  /** Undefined: nothing is kept beside the result. */
  artifacts?: ArtifactWish | undefined
}

export interface Collected {
  /** Those of the work tree: they are not on the branch unless they were committed. */
  inTree: ReadonlySet<BytePath>
  /** The commit that holds them, and what was read for it; null when there are none. */
  kept: { draft: Draft; list(): Artifact[] } | null
}

const NOTHING: Collected = { inTree: new Set(), kept: null }

/** Looks what there is; content is read when the commit is made, upon `parent` if there is one. */
export function collectArtifacts(
  { workspace, artifacts: wish }: Collecting,
  { from, parent, leaveOut }: { from: Artifact['from']; parent: string | null; leaveOut: LeaveOut },
): Collected {
  if (!wish) return NOTHING
  const [tree, folder] = [workTree(workspace), artifactsFolder(workTree(workspace))]
  const boundary = boundaryOf(...[tree, folder].filter(isPlainFolder))
  const { globs, maxBytes: bytesMax } = wish
  const found = findArtifacts({ tree, folder, boundary, globs, bytesMax, leaveOut })
  if (found.length === 0) return NOTHING
  const hashes = new Map<string, string>()
  const files = found.map(file => {
    const done = (sha256: string | null) => {
      if (sha256 === null) leaveOut(latin1(file.path), 'artifact', { reason: UNREAD, bytes: file.size })
      else hashes.set(file.path, sha256)
    }
    return { path: file.path, open: () => ({ size: file.size, bytes: contentOf(file, boundary, done) }) }
  })
  return {
    inTree: new Set(found.flatMap(({ path, isInTree }) => (isInTree ? [latin1(path)] : []))),
    kept: {
      draft: { message: `Artifacts of task ${workspace.record.request.taskId}\n`, parent, files },
      list: () =>
        found.flatMap(({ path, size }) => {
          const sha256 = hashes.get(path)
          return sha256 === undefined ? [] : [{ path, bytes: size, sha256, from }]
        }),
    },
  }
}

interface Adding extends Collecting {
  folder: string
  timeoutMs: number
  signal: AbortSignal
}

/** What the check left is added to what the agent had left; all else of `given` stays as it is. */
export async function addArtifacts(adding: Adding, given: Salvaged): Promise<Salvaged> {
  const { workspace, ref, folder, timeoutMs, signal } = adding
  const before = given.files ?? null
  const left = leftOutList(given.leftOut)
  const about = { from: 'check', parent: before?.commit ?? null, leaveOut: left.leaveOut } as const
  const { kept } = collectArtifacts(adding, about)
  if (kept === null) return { ...given, files: before, leftOut: left.all() }
  const mirror = salvageRepository(workspace)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const boundary = boundaryOf(folder)
  const oidLength = given.commit.length
  const view = openView({ folder, boundary, mirror, oidLength, timeoutMs, signal })
  const [made = ''] = await writeCommits(view, workspace, [kept.draft])
  const isSame = before !== null && (await treeOf(view, made)) === (await treeOf(view, before.commit))
  const commit = isSame ? before.commit : made
  await openKeeper(workspace, timeoutMs, signal).keep(view, new Map([[filesRefOf(ref), commit]]))
  return { ...given, files: { commit, list: added(before?.list ?? [], kept.list()) }, leftOut: left.all() }
}

/** What is as it was stays the agent's. */
function added(before: readonly Artifact[], after: readonly Artifact[]): Artifact[] {
  const all = new Map(before.map(one => [one.path, one]))
  for (const one of after) if (all.get(one.path)?.sha256 !== one.sha256) all.set(one.path, one)
  return [...all.values()].slice(0, ARTIFACTS_MAX)
}

/** A folder for one salvage within the scratch folder. */
export const scratchName = (scratch: string, bytes: Buffer) => join(scratch, `salvage-${bytes.toString('hex')}`)
