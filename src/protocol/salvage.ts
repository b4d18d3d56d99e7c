/** What a node saves of a workspace: the request, and the answer with the names of all that was saved. */
import { z } from 'zod'
import { ARTIFACTS_MAX, LEFT_OUT_KINDS, namedOnly } from '../core/saved.ts'
import { artifactGlobs, counter, nullable, objectId, sha256, text } from './shapes.ts'

const ref = text(1024)

export const salvageRequest = z.object({
  ref: ref.min(1),
  maxBytes: z.int().min(0).optional(),
  /** Also while a session runs: the files as they are now, without output and conversation. */
  live: z.boolean().optional(),
  /** What is kept beside the result: what the globs name, and what is in the folder TDF_ARTIFACTS. */
  artifacts: z.object({ globs: artifactGlobs, maxBytes: counter }).optional(),
  /** The check has ended: only artifacts are looked for, and what was saved before stays as it is. */
  after: z.literal('check').optional(),
})
export type SalvageHow = Omit<z.input<typeof salvageRequest>, 'ref' | 'maxBytes'>
export type ArtifactWish = NonNullable<z.output<typeof salvageRequest>['artifacts']>

const artifact = z.object({ path: text(4096).min(1), bytes: counter, sha256, from: z.enum(['agent', 'check']) })

const savedRef = z.object({
  ref: ref.min(1),
  name: text(4096),
  kind: z.enum(['branch', 'stash', 'worktree']),
  commit: objectId,
  ahead: counter,
})

const leftOut = z.object({
  path: text(4096),
  bytes: nullable(counter),
  reason: text(512),
  kind: z.enum(LEFT_OUT_KINDS).catch('refused'),
})

/** Agents before protocol 2 gave paths alone. */
const leftOutPath = text(4096).transform(namedOnly)

/**
 * The names of everything that was saved: REF at `commit` and each of `saved`. `GET …/bundle` brings objects: git leaves a
 * ref out of a bundle when the caller has its objects, so the caller sets these refs once it has them all. REF-log and
 * REF-session are always new, and so always in the bundle, which is 204 only when nothing of all this is new.
 */
export const salvaged = z.object({
  commit: objectId,
  baseCommit: objectId,
  ahead: counter,
  salvaged: z.boolean(),
  saved: z.array(savedRef).max(1_000).default([]),
  leftOut: z
    .array(z.union([leftOutPath, leftOut]))
    .max(2_000)
    .default([]),
  /** At REF-files; null where there is none. Absent: the agent is older than this. */
  files: z
    .object({ commit: objectId, list: z.array(artifact).max(ARTIFACTS_MAX) })
    .nullable()
    .optional(),
})
export type Salvaged = z.output<typeof salvaged>
