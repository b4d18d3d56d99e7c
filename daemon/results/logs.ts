/** What sessions printed, as files of ours: copied before a workspace is deleted, and read when it is gone. */
import { mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'
import type { AgentClient } from '../../src/clients/agent.ts'
import { asTdfError } from '../../src/core/errors.ts'
import { SETUP_SESSION, sessionsOf, type Task } from '../../src/core/task.ts'
import { flush } from '../../src/platform/files.ts'
import { LOG_CHUNK_BYTES_MAX, LOG_TAIL_BYTES } from '../../src/protocol/shapes.ts'
import { type KeptFiles, keptFiles } from '../../src/store/blobs/kept-files.ts'

/** What a node adds behind its own bound: a line that says so, and the end of the output. */
const BEHIND_BYTES_MAX = 2 * LOG_TAIL_BYTES

const SHORT_READS_MAX = 100

type Attempt = Pick<Task, 'id' | 'attempt'>

export interface Logs {
  /**
   * Copies what `read` gives, from where the last try ended: how far it came is what was written, whatever a node says.
   * Throws what `read` throws, and DISK_LOW.
   */
  keep(task: Attempt, sessionId: string, read: (after: number) => Promise<{ bytes: Buffer }>): Promise<void>
  /** At most a chunk from byte `after` on; undefined when there is no such log. */
  read(task: Attempt, sessionId: string, after: number): Promise<Buffer | undefined>
  remove(taskId: string): Promise<void>
}

export function logFiles(
  stateDir: string,
  bytesMax: number,
  assertRoom: () => void = () => {},
  files: KeptFiles = keptFiles(stateDir, null),
): Logs {
  const folderOf = (taskId: string) => path.join(stateDir, 'logs', taskId)
  // Ids are made by us, of letters, digits and dashes.
  const fileOf = (task: Attempt, sessionId: string) => path.join(folderOf(task.id), `${task.attempt}-${sessionId}.log`)

  const limit = bytesMax + BEHIND_BYTES_MAX
  // A log that has ended comes in whole chunks but for its last one; some more are for one that still grew.
  const readsMax = Math.ceil(limit / LOG_CHUNK_BYTES_MAX) + SHORT_READS_MAX
  const mark = `\n[tdf: output beyond ${limit} bytes was not kept]\n`

  return {
    async keep(task, sessionId, read) {
      const file = fileOf(task, sessionId)
      await files.bring(file)
      let after = (await stat(file).catch(() => null))?.size ?? 0
      const isNew = after === 0
      if (after > limit) return
      let first = await read(after)
      if (first.bytes.length === 0) return
      await mkdir(folderOf(task.id), { recursive: true, mode: 0o700 })
      const handle = await open(file, 'a', 0o600)
      try {
        for (let reads = 0; first.bytes.length > 0 && after < limit && reads < readsMax; reads++) {
          assertRoom()
          const kept = first.bytes.subarray(0, limit - after)
          await handle.appendFile(kept)
          after += kept.length
          first = await read(after)
        }
        if (first.bytes.length > 0) await handle.appendFile(mark)
        await handle.sync()
      } finally {
        await handle.close()
      }
      if (isNew) for (const folder of [folderOf(task.id), path.join(stateDir, 'logs')]) await flush(folder)
      await files.keep(file)
    },
    async read(task, sessionId, after) {
      await files.bring(fileOf(task, sessionId))
      const handle = await open(fileOf(task, sessionId), 'r').catch(() => null)
      if (!handle) return undefined
      try {
        const { size } = await handle.stat()
        const bytes = Buffer.alloc(Math.max(Math.min(size - after, LOG_CHUNK_BYTES_MAX), 0))
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, after)
        return bytes.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    remove: taskId => files.remove(folderOf(taskId)),
  }
}

/** Before a workspace is deleted: the output of everything that ran in it. */

/** The name of when a log was written, beside that of the log. No id has a dot in it. */
export const timesOf = (sessionId: string) => `${sessionId}.times`

/** A log that the agent does not have is no reason to keep a workspace; one that it cannot give now is. */
export async function keepLogs(logs: Logs, task: Task, workspaceId: string, agent: AgentClient): Promise<void> {
  for (const sessionId of [SETUP_SESSION, ...sessionsOf(task, workspaceId)]) {
    try {
      await logs.keep(task, sessionId, after => agent.logs(workspaceId, sessionId, after))
      await logs.keep(task, timesOf(sessionId), after => agent.logTimes(workspaceId, sessionId, after))
    } catch (thrown) {
      const { code } = asTdfError(thrown)
      if (code !== 'WORKSPACE_GONE' && code !== 'AGENT_REFUSED') throw thrown
    }
  }
}
