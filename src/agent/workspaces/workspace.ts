/** A workspace in memory: its record, its places on the disk, and the line in which changes to it stand. */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { createWorkspace } from '../../protocol/agent-api.ts'
import { nullable } from '../../protocol/shapes.ts'
import { writeJson } from '../state/durable.ts'

export const workspaceRecord = z.object({
  format: z.literal(1),
  request: createWorkspace,
  contentHash: z.string(),
  createdAt: z.string(),
  status: z.enum(['creating', 'ready', 'failed', 'stopped']),
  /** How the build ended. Stays when the workspace is stopped, so that the event can still be made after a crash. */
  built: nullable(z.enum(['ready', 'failed'])),
  errorMessage: nullable(z.string()),
  /** It failed since the network or a server did. */
  isPassing: z.boolean().default(false),
  /** What of it is not as it was asked for; null: all is. */
  note: z.string().nullable().default(null),
  /** Known before anything of the repository runs. */
  baseCommit: nullable(z.string()),
  bundleReceived: z.boolean(),
  /** What came builds on objects that the node keeps of its source. */
  bundleIsThin: z.boolean().default(false),
  /** The user that runs its sessions; null: we ourselves do. */
  slot: z.string().nullable().default(null),
})
export type WorkspaceRecord = z.output<typeof workspaceRecord>

export interface Workspace {
  readonly id: string
  readonly folder: string
  record: WorkspaceRecord
  /** Start, stop, deletion and salvage of one workspace happen one after the other. */
  readonly serialize: <T>(act: () => Promise<T>) => Promise<T>
  /** Aborted when the workspace is deleted or the agent ends: whatever works on it gives up. */
  readonly leaving: AbortController
  /** The build that is going on, if any. */
  build: { abort: AbortController; done: Promise<void> } | null
  /** What the build does now, for people; null while there is none. */
  doing: string | null
  deleted: boolean
}

export function makeWorkspace(id: string, folder: string, record: WorkspaceRecord): Workspace {
  let last: Promise<unknown> = Promise.resolve()
  return {
    id,
    folder,
    record,
    serialize: act => {
      const turn = last.then(act, act)
      last = turn.catch(() => {})
      return turn
    },
    leaving: new AbortController(),
    build: null,
    doing: null,
    deleted: false,
  }
}

/** On the disk first: a change that memory knows and the disk does not would be lost at the next start. */
export function updateRecord(workspace: Workspace, change: Partial<WorkspaceRecord>): void {
  const record = { ...workspace.record, ...change }
  writeJson(recordPath(workspace.folder), record)
  workspace.record = record
}

export const recordPath = (folder: string) => join(folder, 'meta.json')
export const workTree = (workspace: Workspace) => join(workspace.folder, 'work')
/** The folder that commands find as TDF_ARTIFACTS: beside the work tree, owned by the user of the sessions. */
export const artifactsFolder = (tree: string) => join(dirname(tree), 'artifacts')
export const bundlePath = (workspace: Workspace) => join(workspace.folder, 'source.bundle')
export const sessionsFolder = (workspace: Pick<Workspace, 'folder'>) => join(workspace.folder, 'sessions')
export const salvageRepository = (workspace: Workspace) => join(workspace.folder, 'salvage.git')
/** Refs as the build left them, to tell later which ones the agent made or moved. */
export const builtRefsPath = (workspace: Workspace) => join(workspace.folder, 'built-refs.json')
/** The index of the check-out, before anything ran in the work tree. */
export const builtIndexPath = (workspace: Workspace) => join(workspace.folder, 'built-index')
/** What the set-up left where the ignore rules name it: not the agent's. */
export const builtIgnoredPath = (workspace: Workspace) => join(workspace.folder, 'built-ignored.json')
/** Whatever is in here is nobody's after a restart. */
export const scratchFolder = (workspace: Workspace) => join(workspace.folder, 'scratch')

/** The workspace cannot be built and the message says why, fit for the person who asked for it. */
export class BuildFailure extends Error {
  /** `isPassing`: the network or a server failed, so that another time may do. */
  constructor(
    message: string,
    readonly isPassing = false,
  ) {
    super(message)
  }
}
