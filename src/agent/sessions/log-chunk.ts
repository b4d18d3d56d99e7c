/** A piece of a session's output, or of when it was written, by byte. */
import { open } from 'node:fs/promises'
import { LOG_CHUNK_BYTES_MAX } from '../../protocol/limits.ts'
import { codeOf } from '../log.ts'
import { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspaces/workspace.ts'
import { listSessions, outputPath, readSession, SETUP, type SessionState, sessionFolder } from './folder.ts'

export async function logChunk(
  workspace: Workspace,
  sessionId: string | null,
  afterByte: number,
  pathOf = outputPath,
): Promise<Buffer<ArrayBuffer>> {
  const session = sessionId === null ? newest(workspace) : readSession(sessionFolder(workspace, sessionId))
  if (sessionId !== null && !session) {
    throw new Refusal('not_found', `workspace ${workspace.id} has no session ${sessionId}`)
  }
  return session ? readFrom(pathOf(session.folder), afterByte) : Buffer.alloc(0)
}

/** Before the first session there may be the setup. */
function newest(workspace: Workspace): SessionState | null {
  return listSessions(workspace).at(-1) ?? readSession(sessionFolder(workspace, SETUP))
}

async function readFrom(path: string, afterByte: number): Promise<Buffer<ArrayBuffer>> {
  try {
    const file = await open(path, 'r')
    try {
      const room = Math.min(LOG_CHUNK_BYTES_MAX, (await file.stat()).size - afterByte)
      if (room <= 0) return Buffer.alloc(0)
      const buffer = Buffer.alloc(room)
      const { bytesRead } = await file.read(buffer, 0, room, afterByte)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
