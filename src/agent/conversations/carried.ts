/**
 * A conversation on its way: the runner takes a copy when its session ends, salvage puts it beside the work, and on the
 * next machine it is laid where the agent looks for it. What lies in a user's home is read and written with care: it is
 * that user's, and may be a link to anywhere.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'
import { z } from 'zod'
import { makeFolder, writeDurable } from '../state/durable.ts'
import { writeJson } from '../state/json-file.ts'
import { PLACES } from './places.ts'

export const aboutConversation = z.object({
  type: z.string(),
  resumeRef: z.string(),
  /** Below the agent's folder of conversations. */
  path: z
    .string()
    .max(512)
    .regex(/^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/),
})

const CONVERSATION_BYTES_MAX = 64 * 1024 * 1024

export const conversationFolder = (session: string) => join(session, 'conversation')
export const ABOUT = 'about.json'
export const CONVERSATION = 'conversation.jsonl'

export interface Ended {
  type: string
  resumeRef: string | null
  env: Record<string, string>
  workTree: string
}

/** Into the session's folder; nothing when the agent keeps none, or none that may be taken. */
export function takeConversation(session: string, { type, resumeRef, env, workTree }: Ended): void {
  const place = PLACES[type]
  if (!place || resumeRef === null) return
  try {
    const surroundings = { env, workTree: realpathSync(workTree) }
    const path = place.find(surroundings, resumeRef)
    if (path === null) return
    const bytes = readOwn(place.root(surroundings), path)
    if (bytes === null) return
    const folder = conversationFolder(session)
    makeFolder(folder)
    writeDurable(join(folder, CONVERSATION), bytes)
    writeJson(join(folder, ABOUT), aboutConversation.parse({ type, resumeRef, path }))
  } catch {
    // Without it the work is as safe as with it; only the conversation cannot go on elsewhere.
  }
}

/** Null for a link, for what lies outside, and for what is too large. */
function readOwn(root: string, path: string): string | null {
  const found = realpathSync(join(root, path))
  if (!found.startsWith(realpathSync(root) + sep)) return null
  const file = openSync(found, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.nlink !== 1 || stat.size > CONVERSATION_BYTES_MAX) return null
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}
