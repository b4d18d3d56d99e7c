/** Where a task's files come from: a bundle that the CLI uploaded under its hash, a url that the daemon fetches or the node clones, the work of other tasks. */
export type RepoSource =
  | {
      kind: 'bundle'
      url: string
      /** The ref of the bundle. */
      ref: string
      /** What its user calls the commit; absent where that is `ref`, and in rows of older versions. */
      given?: string | undefined
      baseCommit: string
      sha256: string
      bytes: number
    }
  | { kind: 'git'; url: string; ref: string | null; baseCommit: null }

/** The ref that a source was asked for by, as people write it; null for the default of a url. */
export function refOf(repo: RepoSource): string | null {
  const ref = (repo.kind === 'bundle' ? repo.given : undefined) ?? repo.ref
  return ref?.replace(/^refs\/heads\//, '') ?? null
}

/** At the top of a repository: what it wants done for a task. */
export const REPOSITORY_FILE = '.tdf.toml'
export const REPOSITORY_FILE_BYTES_MAX = 64 * 1024

/** Under these names a bundle holds the commits of submodules. */
export const SUBMODULE_REFS = 'refs/tdf/submodules/'

export const submoduleRef = (commit: string) => `${SUBMODULE_REFS}${commit}`

/** The head of a bundle, before its pack: what it names, and the commits that it builds on (gitformat-bundle(5)). */
export function bundleHead(refs: ReadonlyMap<string, string>, known: readonly string[] = []): string {
  const isLong = [...refs.values()][0]?.length === 64
  const signature = isLong ? '# v3 git bundle\n@object-format=sha256\n' : '# v2 git bundle\n'
  const lines = [...known.map(oid => `-${oid} \n`), ...[...refs].map(([name, oid]) => `${oid} ${name}\n`)]
  return `${signature}${lines.join('')}\n`
}
/** Under these names a bundle holds the content of files in Git LFS: commits whose tree names each by its sha256. */
export const LARGE_REFS = 'refs/tdf/large/'

export const largeRef = (commit: string) => `${LARGE_REFS}${commit}`

/** The same beside a result: what its pointers point to, as far as the agent made it. */
export const largeOf = (resultRef: string) => `${resultRef}-large`

/** Where the branch of a task goes once it is completed. */
export interface PushSpec {
  remote: string
  /** Whether a pull request is opened for it. */
  pr: boolean
  /** Until when its pull request is watched, and what is red there is handed to the agent; absent: it is not watched. */
  until?: PullGoal
  /** How often the agent may answer with new commits. */
  rounds?: number
}

export const PULL_GOALS = ['green', 'merged'] as const
/** *green*: every check has passed and no review thread is open. */
export type PullGoal = (typeof PULL_GOALS)[number]

/** What follows when a task has cost what `--max-cost` allows. */
export const AT_LIMIT = ['ask', 'end'] as const
export type AtLimit = (typeof AT_LIMIT)[number]

/** When an edge is met: *ok*, the predecessor is completed; *ended*, whatever it came to. */
export const AFTER_CONDITIONS = ['ok', 'ended'] as const
export type AfterCondition = (typeof AFTER_CONDITIONS)[number]

/** What becomes of a task whose predecessor did not complete: it waits on, or is cancelled. */
export const ON_FAILED = ['hold', 'cancel'] as const
export type OnFailed = (typeof ON_FAILED)[number]

/** Written once, at submit; what was met of it is in the edges. */
export interface AfterSpec {
  /** Ids of all predecessors, in the order in which they were named. Of a task that an agent handed over none: those of its parent are met. */
  ids: string[]
  /** Those from whose saved work the task begins. */
  from: string[]
  if: AfterCondition
  onFailed: OnFailed
  /** Of `from`, only those that are completed. */
  fromCompleted?: true
}

/** Of each member of a race: tasks that are asked for the same, of which one wins. Written once, at submit. */
export interface RaceSpec {
  /** Run where a member stands once its own check has passed: its exit code says whether the work counts, its last line how good it is. */
  pick: string | null
  /** The first member that counts wins, and the others are cancelled; else the best of all. */
  first: boolean
}

/** What keeps a queued task from asking for a slot: its predecessors, its turn in a group, or the commit that it begins from. */
export type Awaited = 'predecessors' | 'turn' | 'base'

/** Why the predecessors of a task do not let it go on: one of them did not complete, or git cannot merge `files` of two. */
export interface Blocked {
  by: string[]
  /** Of the predecessor that ended last. */
  attempt: number
  files?: string[]
}

/** The issue of a tracker that a task came from. */
export interface IssueSpec {
  /** As `[[sources]]` calls it. */
  name: string
  /** What people call it there: `412`, `ENG-12`. */
  issue: string
  title: string
  url: string | null
  /** What its pull request says that it fixes, such as `#412`; null: nothing is to be said. */
  fixes: string | null
}

/** Tasks that agents hand over. */
export interface SpawnSpec {
  /** How many tasks its agent may hand over, and how deep below it; absent: none. */
  maySpawn?: { count: number; depth: number }
  /** The task whose agent handed it over. */
  parent?: string
}
