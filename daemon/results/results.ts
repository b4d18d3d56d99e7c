/** Where the work comes home: a bare repository for each source, in the state folder. */
import type { Artifacts } from '../../src/core/saved.ts'
import type { AttemptKey, ResumeFacts, SourceFacts, Task, TaskResult } from '../../src/core/task.ts'
import type { Salvaged } from '../../src/protocol/salvage.ts'
import type { KeptFiles } from '../../src/store/blobs/kept-files.ts'
import type { BundleRow } from '../../src/store/tables/bundles.ts'
import type { Logs } from './logs.ts'

export interface Results {
  /** Files of the state folder, wherever the state is. */
  files: KeptFiles
  logs: Logs
  /** Commits that are already here, newest first: the agent leaves them out of its bundle. */
  have(task: Task, saved: Salvaged): Promise<string[]>
  /**
   * Takes the bundle in, checks every object, and only then moves `refs/tdf/<task>/<attempt>` and the refs beside it.
   * `file` is null when the agent said that nothing new has to come. Doing it again changes nothing. Answers the same with
   * all that is at home beside the result, also from before. Throws RESULT_BROKEN.
   */
  receive(task: Task, saved: Salvaged, file: string | null): Promise<Salvaged>
  /** What is still only in the workspace, by name: while there is any, it stays. */
  missing(task: Task, saved: Salvaged): Promise<string[]>
  /**
   * Takes what a run has done so far, beside any result: `fetch` brings what is not here yet into a file, and says
   * whether anything came. Throws RESULT_BROKEN.
   */
  keepCheckpoint(task: Task, saved: Salvaged, fetch: (have: string[], file: string) => Promise<boolean>): Promise<void>
  /**
   * Takes what the check of a task left beside the result, which stays as it is; `fetch` as above. Answers all artifacts of the
   * attempt. Throws RESULT_BROKEN.
   */
  keepArtifacts(
    task: Task,
    files: Artifacts,
    fetch: (have: string[], file: string) => Promise<boolean>,
  ): Promise<Artifacts>
  /** Removes the artifacts of each attempt of which `forget` says so, after it has noted that. Answers how many refs. */
  removeArtifacts(forget: (key: AttemptKey) => Promise<boolean>): Promise<number>
  /** Makes the newest checkpoint of the attempt its result; null when there is none. */
  takeCheckpoint(task: Task): Promise<Salvaged | null>
  /** What the result changes, counted in our own copy. */
  describe(task: Task, saved: Salvaged): Promise<TaskResult>
  /** Makes the bundle from which the attempt goes on: the saved tree and, where it came home, the conversation. */
  pack(task: Task, resume: ResumeFacts, signal?: AbortSignal): Promise<{ sha256: string; bytes: number }>
  /**
   * The commit that a task begins from which goes on from the work of others: theirs, or a merge of them, under a name of its own,
   * which stays whatever becomes of them. *conflict*: git cannot merge `files` of the tasks `of`. Throws NO_RESULT,
   * RESULT_BROKEN or GIT_TOO_OLD.
   */
  base(task: Task, work: readonly { id: string; commit: string }[]): Promise<Base>
  /** Where that bundle is. */
  packFile(task: Pick<Task, 'id' | 'attempt'>): string
  /**
   * What a node that has some of the commits `have` lacks of the bundle `whole` of a task; null when we know none of them, when
   * little would be saved, or when it cannot be made: the whole needs nothing else. Throws what
   * `signal` is aborted with. The caller discards the file.
   */
  thin(task: Task, whole: string, have: readonly string[], signal?: AbortSignal): Promise<ThinBundle | null>
  /**
   * Removes what is here of sources that no task has used since `before`, Unix ms, where no result needs it; not that of the
   * sources in `needed`. Answers of how many.
   */
  removeUnused(before: number, needed: () => readonly string[]): Promise<number>
  /** A file for a download, inside the state folder; `discard` removes it, whether it came to be or not. */
  downloadFile(task: Task): string
  discard(file: string): Promise<void>
}

export type Base = { kind: 'clean'; ref: string; commit: string } | { kind: 'conflict'; of: string[]; files: string[] }

export interface ThinBundle {
  file: string
  sha256: string
  bytes: number
}

/** Where the work begins: repositories by url, fetched as the user that runs the daemon, and folders that were uploaded. */
export interface Sources {
  /**
   * What was fetched for a task; null while that goes on: the task is woken when it has ended. Throws SOURCE_DENIED,
   * SOURCE_UNAVAILABLE, REF_UNKNOWN, REPOSITORY_UNREADABLE, TOO_LARGE or DISK_LOW.
   */
  fetched(task: Task): SourceFacts | null
  /** What a fetch for the task does now, in words, with percent and bytes where they are known; null without a fetch. */
  progress(task: Pick<Task, 'id' | 'attempt'>): string | null
  /**
   * Where a branch of a url is now, fetched; null: that of its HEAD. `ref` is the full name of the branch. Throws as `fetched`.
   */
  tip(url: string, ref: string | null, signal: AbortSignal): Promise<{ commit: string; ref: string }>
  /** The task waits no more: a fetch that no other task waits for is ended at once. */
  leave(task: Pick<Task, 'id' | 'attempt'>): void
  /**
   * The bundle of an uploaded task, made of what is here; null when the upload is one itself. Throws BUNDLE_MISSING when it is not
   * here any more.
   */
  whole(task: Task, signal: AbortSignal): Promise<SourceFacts | null>
  /** Whether the repositories of its sources hold all that the file of a bundle does, so that the file may go. */
  keep(bundle: BundleRow): Promise<boolean>
}
