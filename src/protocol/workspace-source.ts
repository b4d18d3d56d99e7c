/** From what a node makes a workspace, and what it has of that already. */
import { z } from 'zod'
import { counter, nullable, objectId, sha256, text } from './shapes.ts'

const url = text(4096)
const ref = text(1024)

export const workspaceSource = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('git'),
    url,
    ref: nullable(ref),
    /** Whether its submodules are fetched and checked out too. Older daemons say nothing. */
    submodules: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('bundle'),
    ref: nullable(ref),
    sha256,
    bytes: counter,
    /** Where it was fetched from: the remote "origin" of the work tree. Older daemons say nothing. */
    origin: url.optional(),
    /** Under which name the node keeps objects of this source; `adds`: those of this bundle, too. Older daemons say nothing. */
    cache: z.object({ key: sha256, adds: z.boolean() }).optional(),
  }),
])

export type WorkspaceSource = z.output<typeof workspaceSource>

/** `GET /sources/:key`: commits that the node has of a source with all that they reach, newest first. */
export const keptSource = z.object({ have: z.array(objectId).max(200) })
export type KeptSource = z.output<typeof keptSource>
