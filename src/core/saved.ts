/**
 * What comes home beside the result, and what does not: the words of the node's agent, the engine, the task's JSON and
 * every screen. `LEAVINGS` is the table of what an agent can leave behind and of what becomes of it; docs/agents.md shows it.
 */

/** A ref that came home beside the result. */
export interface SavedRef {
  /** Its full name in the daemon's repository. */
  ref: string
  /** What its maker calls it: a branch, `stash@{0}`, the folder of a work tree. */
  name: string
  kind: 'branch' | 'stash' | 'worktree'
  commit: string
  /** Commits that it has and the base commit has not. */
  ahead: number
}

/** A file that was kept beside the result because a glob or its folder asked for it. */
export interface Artifact {
  /** From the top of the work tree, or of the folder TDF_ARTIFACTS. */
  path: string
  bytes: number
  /** Of its content, as the node saw it. */
  sha256: string
  /** After which of the two it was there, or was changed. */
  from: 'agent' | 'check'
  /** The object that holds it in the daemon's repository; absent where it is not there. */
  blob?: string
}

/** All of a run; the tree of `commit` has those of its node. */
export interface Artifacts {
  commit: string
  list: Artifact[]
}

/** Saved once more, a file that is as it was still comes from where it came from: the check that left it is over by then. */
export function withOrigins(files: Artifacts, before: Artifacts | null | undefined): Artifacts {
  const nameOf = ({ path, sha256 }: Artifact) => `${sha256} ${path}`
  const known = new Map(before?.list.map(one => [nameOf(one), one.from]))
  return { ...files, list: files.list.map(one => ({ ...one, from: known.get(nameOf(one)) ?? one.from })) }
}

export const ARTIFACTS_MAX = 1_000
export const ARTIFACT_GLOB_CHARS_MAX = 256

/** Something that is in the workspace and not in the saved refs. */
export interface LeftOut {
  path: string
  /** Null when it is not known, as of folders. */
  bytes: number | null
  /** A sentence for people. */
  reason: string
  kind: LeftOutKind
}

/**
 * `isWork`: it may be what the agent was asked for, so that its run changed something. `isKept`: it cannot be had now and
 * may be had later, so the workspace stays.
 */
export const LEFT_OUT = {
  ignored: { isWork: false, isKept: false, reason: 'the ignore rules name it' },
  oversize: {
    isWork: true,
    isKept: false,
    reason: 'it does not fit into salvage_max_bytes, which holds for all uncommitted files of a run together',
  },
  unreadable: { isWork: true, isKept: true, reason: 'it cannot be read: permission denied' },
  special: { isWork: true, isKept: false, reason: 'it is a fifo, a socket or a device' },
  refused: { isWork: true, isKept: false, reason: 'git takes no file of this name' },
  history: { isWork: true, isKept: false, reason: 'the files of this repository came home, its history did not' },
  filter: { isWork: true, isKept: false, reason: 'its clean filter was not run' },
  broken: { isWork: true, isKept: false, reason: 'its objects are not all there' },
  artifact: {
    isWork: false,
    isKept: false,
    reason: 'it does not fit into artifact_max_bytes, which holds for all artifacts of a run together',
  },
} as const satisfies Record<string, { isWork: boolean; isKept: boolean; reason: string }>

export type LeftOutKind = keyof typeof LEFT_OUT

export const LEFT_OUT_KINDS = Object.keys(LEFT_OUT) as LeftOutKind[]

/** What the saved refs say about a run; `commit` and `baseCommit` are those of its result. */
export interface SavedWork {
  commit: string
  baseCommit: string
  salvaged: boolean
  saved: readonly SavedRef[]
  leftOut: readonly LeftOut[]
  files?: Pick<Artifacts, 'commit'> | null | undefined
}

/**
 * The one answer to "is everything home?": what is still only in the workspace, by name. `refs` are those at home, names
 * to object ids. A workspace may go when the list is empty, and not before.
 */
export function notHome(
  work: Pick<SavedWork, 'commit' | 'saved' | 'leftOut' | 'files'>,
  ref: string,
  refs: ReadonlyMap<string, string>,
): string[] {
  const files = work.files ? [{ ref: filesRefOf(ref), name: 'artifacts', commit: work.files.commit }] : []
  const wanted = [{ ref, name: ref, commit: work.commit }, ...files, ...work.saved]
  const missing = wanted.filter(one => refs.get(one.ref) !== one.commit).map(({ name }) => name)
  return [...missing, ...keptBack(work).map(({ path }) => path)]
}

/** Where the artifacts of a result stand. */
export const filesRefOf = (ref: string) => `${ref}-files`

/** What could not be read and is still in the workspace: it is asked for again. */
export function keptBack({ leftOut }: Pick<SavedWork, 'leftOut'>): LeftOut[] {
  return leftOut.filter(({ kind }) => LEFT_OUT[kind].isKept)
}

/** Whether the run made anything at all, home or not. What the ignore rules name is not asked for. */
export function hasMade({ commit, baseCommit, salvaged, saved, leftOut }: SavedWork): boolean {
  return commit !== baseCommit || salvaged || saved.length > 0 || leftOut.some(({ kind }) => LEFT_OUT[kind].isWork)
}

/** What the engine keeps of a salvage; `saved` is missing, and `leftOut` holds paths alone, in rows of older versions. */
export interface SalvageFacts {
  commit: string
  baseCommit: string
  ahead: number
  salvaged: boolean
  saved?: SavedRef[]
  leftOut: (LeftOut | string)[]
  /** Null: nothing was asked for, or nothing of it was there. Absent: the node's agent knows no artifacts. */
  files?: Artifacts | null | undefined
}

export function savedOf(salvage: SalvageFacts | undefined): SavedWork | null {
  if (!salvage) return null
  const leftOut = salvage.leftOut.map(one => (typeof one === 'string' ? namedOnly(one) : one))
  return { ...salvage, saved: salvage.saved ?? [], leftOut }
}

/** What is known of something of which only the path is. */
export function namedOnly(path: string): LeftOut {
  return { path, bytes: null, reason: LEFT_OUT.refused.reason, kind: 'refused' }
}

/** What an agent can leave, and what becomes of each. */
export const LEAVINGS: readonly { what: string; becomes: string }[] = [
  { what: 'commits on HEAD, attached or detached', becomes: 'the result' },
  { what: 'changed, new and deleted files', becomes: 'one commit of tdf on top of HEAD (`salvaged`)' },
  { what: 'HEAD moved back behind where it began', becomes: 'the result, `unverified` with 0 commits ahead' },
  { what: 'other branches, made or moved', becomes: '`saved`, kind `branch`' },
  { what: 'tags, notes and other refs with commits of their own', becomes: '`saved`, kind `branch`' },
  {
    what: 'commits that a reset, a checkout or a deleted branch left behind',
    becomes: '`saved`, kind `branch`, as `left-behind-N`',
  },
  {
    what: 'an open merge, rebase, cherry-pick, revert or bisect',
    becomes: 'HEAD and files as they are; its other side and its autostash in `saved`',
  },
  { what: 'stashes, with untracked files', becomes: '`saved`, kind `stash`' },
  {
    what: 'linked work trees, inside and outside of the work tree, ignored or not',
    becomes: '`saved`, kind `worktree`: their HEAD and one commit of tdf for what is not committed',
  },
  { what: 'the log and the conversation', becomes: 'refs of their own beside the result' },
  { what: 'an embedded repository', becomes: 'its files; its history is named in `leftOut`' },
  {
    what: 'a submodule',
    becomes: 'untouched: a pointer as before; else its files in its place, named in `leftOut`',
  },
  { what: 'files and folders without permission to read', becomes: 'made readable where they are the agent’s' },
  {
    what: 'files and folders of another user that cannot be read',
    becomes: 'named in `leftOut`; the workspace stays until they can be read, at most `held_max`',
  },
  {
    what: 'files that are together over `salvage_max_bytes`',
    becomes: 'the smallest come home, every other is named in `leftOut`',
  },
  {
    what: 'files that a glob of `--artifacts` names, and all in the folder `TDF_ARTIFACTS`',
    becomes: '`artifacts`, in a ref of their own beside the result; not on the branch unless they were committed',
  },
  { what: 'ignored files', becomes: 'named in `leftOut`; not saved' },
  { what: 'fifos, sockets, devices, names that git refuses', becomes: 'named in `leftOut`; not saved' },
  {
    what: 'files in Git LFS, committed or not',
    becomes:
      'their pointers, with the content that was made here beside the result; what is damaged or too large is named',
  },
  { what: 'files with another clean filter', becomes: 'saved as they lie on the disk, named in `leftOut`' },
]
